import type { RunConfig } from "./oci.ts";

/** Which images there are, as tables. What fills their layers is in layers.ts and debian-layers.ts. */

/** A layer that Debian packages make, lying on the base. */
export interface DebianStage {
  readonly packages: readonly string[];
  /** Files that the packages shall find when they are installed: path in the image → text. */
  readonly before: Readonly<Record<string, string>>;
  /** Paths of the packages that the image can do without. */
  readonly without: readonly RegExp[];
  /** Texts beside the packages: path in the image → file in `files/`, executable. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Links under a name without a version: path in the image → the folder of the packages that it leads to. */
  readonly links: Readonly<Record<string, RegExp>>;
}

/** What all Debian layers lie upon. libstdc++ because nearly everything else wants it. */
export const BASE_PACKAGES: readonly string[] = ["libstdc++6"];

export const DEBIAN_STAGES: Readonly<Record<"redis" | "postgres", DebianStage>> = {
  redis: {
    packages: ["redis-server"],
    before: {},
    without: [],
    scripts: { "/usr/local/bin/docker-entrypoint.sh": "redis-entrypoint.sh" },
    links: {},
  },
  postgres: {
    packages: ["postgresql"],
    // The entrypoint makes the cluster, in the container's volume.
    before: { "/etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n" },
    // The just-in-time compiler (PostgreSQL goes without where it is missing), the Perl of Debian's own wrappers,
    // the sources of locales.
    without: [
      /\/(libLLVM|libz3|libperl)[^/]*$/,
      /\/(llvmjit[^/]*|bitcode(\/.*)?)$/,
      /^usr\/share\/perl5?\//,
      /^usr\/lib\/[^/]+\/perl\//,
      /^usr\/share\/i18n\//,
    ],
    scripts: { "/usr/local/bin/docker-entrypoint.sh": "postgres-entrypoint.sh" },
    // Debian's wrappers in /usr/bin choose among versions and need Perl; these are the programs themselves.
    links: { "/usr/lib/postgresql/current": /^usr\/lib\/postgresql\/\d+$/ },
  },
};

/** Where a layer comes from: Debian packages, this machine's programs, or a program of the voting app. */
export type LayerName =
  | "base"
  | keyof typeof DEBIAN_STAGES
  | "node"
  | "busybox"
  | "probe"
  | "stand-in"
  | "sentinel"
  | "empty"
  | AppName;
export type AppName = "vote" | "worker" | "result";

export interface CatalogImage {
  readonly repository: string;
  readonly tag: string;
  /** Lowest first. */
  readonly layers: readonly LayerName[];
  readonly config: RunConfig;
  /** The only platform of a manifest list; none: this machine's, without a list. */
  readonly onlyFor?: string;
  /** Tests that need no Debian archive use these alone. */
  readonly forTests?: boolean;
}

export const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const standsInFor = (reference: string): Record<string, string> => ({
  "io.shoal.stands-in-for": reference,
});

/** An image of the voting app: our TypeScript in one file, run by Node. */
function appImage(app: AppName, port: boolean): CatalogImage {
  const repository = `bretfisher/examplevotingapp_${app}`;
  return {
    repository,
    tag: "latest",
    layers: ["base", "node", app],
    config: {
      Env: [PATH, "NODE_ENV=production"],
      Cmd: ["node", "/app/main.cjs"],
      WorkingDir: "/app",
      ...(port && { ExposedPorts: { "80/tcp": {} } }),
      Labels: standsInFor(`docker.io/${repository}:latest`),
    },
  };
}

const BUSYBOX_PATH = "PATH=/bin:/sbin:/usr/bin:/usr/sbin";

export const CATALOG: readonly CatalogImage[] = [
  {
    repository: "library/redis",
    tag: "3.2",
    layers: ["base", "redis"],
    config: {
      Env: [PATH],
      Entrypoint: ["docker-entrypoint.sh"],
      Cmd: ["redis-server"],
      WorkingDir: "/data",
      ExposedPorts: { "6379/tcp": {} },
      Volumes: { "/data": {} },
      Labels: standsInFor("docker.io/library/redis:3.2"),
    },
  },
  {
    repository: "library/postgres",
    tag: "9.4",
    layers: ["base", "postgres"],
    config: {
      Env: [
        PATH.replace("=", "=/usr/lib/postgresql/current/bin:"),
        "LANG=C.UTF-8",
        "PGDATA=/var/lib/postgresql/data",
      ],
      Entrypoint: ["docker-entrypoint.sh"],
      Cmd: ["postgres"],
      StopSignal: "SIGINT",
      ExposedPorts: { "5432/tcp": {} },
      Volumes: { "/var/lib/postgresql/data": {} },
      Labels: standsInFor("docker.io/library/postgres:9.4"),
    },
  },
  appImage("vote", true),
  appImage("worker", false),
  appImage("result", true),
  {
    repository: "library/busybox",
    tag: "latest",
    layers: ["busybox"],
    config: {
      Env: [BUSYBOX_PATH],
      Cmd: ["sh"],
      Labels: standsInFor("docker.io/library/busybox:latest"),
    },
    forTests: true,
  },
  {
    repository: "shoal/probe",
    tag: "latest",
    layers: ["busybox", "probe"],
    config: { Env: [BUSYBOX_PATH], Cmd: ["perl", "/probe.pl"], ExposedPorts: { "80/tcp": {} } },
    forTests: true,
  },
  {
    repository: "shoal/arm64only",
    tag: "latest",
    layers: ["empty"],
    config: { Cmd: ["/nothing"] },
    onlyFor: "arm64",
    forTests: true,
  },
];
