import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { exec, execOk } from "../../src/sys/index.ts";
import { putText } from "./staging.ts";

/** Debian root file systems by mmdebstrap, from the archive that this machine's apt is set up for. */

/** Where packages come from. */
export interface Archive {
  /** `bookworm` */
  readonly suite: string;
  /** Lines of sources.list; none: mmdebstrap's own default for the suite. */
  readonly sources: readonly string[];
  /** The machine's `Acquire` settings (proxies and the like), as apt.conf. */
  readonly settings: string;
}

const FALLBACK_SUITE = "bookworm";

/** What a container has no use for: whatever lies in these folders. Every host would have to pull it. */
const NEEDLESS: readonly string[] = [
  "dev",
  "etc/apt",
  "etc/dpkg/dpkg.cfg.d",
  "etc/ssl/private",
  "run",
  "tmp",
  "usr/share/bash-completion",
  "usr/share/common-licenses",
  "usr/share/doc",
  "usr/share/gcc",
  "usr/share/gdb",
  "usr/share/info",
  "usr/share/lintian",
  "usr/share/locale",
  "usr/share/man",
  "var/cache",
  "var/lib/apt",
  "var/lib/dpkg/info",
  "var/lib/systemd",
  "var/log",
];

/** Whether an image should hold this path of a tree. */
export function isNeeded(path: string): boolean {
  return !NEEDLESS.some((folder) => path.startsWith(`${folder}/`));
}

/** Of the machine's own apt: its Debian archives and how it gets to them. */
export async function machineArchive(): Promise<Archive> {
  const release = readFileSync("/etc/os-release", "utf8");
  const isDebian = /^ID="?debian"?$/m.test(release);
  const suite = (isDebian && /^VERSION_CODENAME="?([a-z]+)/m.exec(release)?.[1]) || FALLBACK_SUITE;
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)";
  const targets = await execOk(["apt-get", "indextargets", "--format", format, "Created-By: Packages"]);
  const settings = await execOk(["apt-config", "dump", "Acquire"]);
  return {
    suite,
    sources: sourcesIn(targets, suite),
    settings: settings
      .split("\n")
      .filter((line) => /^Acquire::(https?|ftp|Retries|ForceIPv)/i.test(line))
      .join("\n"),
  };
}

/** sources.list lines for the suite out of `apt-get indextargets` rows of "uri release component origin". */
export function sourcesIn(targets: string, suite: string): string[] {
  const lines = targets.split("\n").flatMap((row) => {
    const [uri = "", release = "", component = "", origin = ""] = row.split(" ");
    const ofSuite = release === suite || release.startsWith(`${suite}-`);
    return ofSuite && component === "main" && origin === "Debian"
      ? [`deb ${uri} ${release} ${component}`]
      : [];
  });
  return [...new Set(lines)];
}

/** Makes a tree with Debian's essential packages and these. */
export async function bootstrap(archive: Archive, tree: string, packages: readonly string[]): Promise<void> {
  const hooks = "/usr/share/mmdebstrap/hooks/maybe-merged-usr";
  await mmdebstrap(archive, tree, packages, ["--variant=essential", `--hook-dir=${hooks}`]);
}

/** Makes a copy of a tree that `bootstrap` made, with more packages, which find the files of `before` there. */
export async function extend(
  archive: Archive,
  base: string,
  tree: string,
  packages: readonly string[],
  before: Readonly<Record<string, string>>,
): Promise<void> {
  await execOk(["cp", "-a", "--reflink=auto", base, tree]);
  for (const [path, text] of Object.entries(before)) putText(tree, path, text);
  // mmdebstrap would stumble over device files that are there already.
  rmSync(join(tree, "dev"), { recursive: true, force: true });
  await mmdebstrap(archive, tree, packages, ["--variant=custom", "--skip=check/empty,output/dev"]);
}

async function mmdebstrap(
  { suite, sources, settings }: Archive,
  tree: string,
  packages: readonly string[],
  options: readonly string[],
): Promise<void> {
  const { code, stderr } = await exec([
    "mmdebstrap",
    "--mode=root",
    "--format=directory",
    `--include=${packages.join(",")}`,
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    ...settings.split("\n").flatMap((line) => (line === "" ? [] : [`--aptopt=${line}`])),
    ...options,
    suite,
    tree,
    ...sources,
  ]);
  if (code === 0) return;
  const why = stderr.trim().split("\n").slice(-8).join("\n");
  throw new Error(`cannot install ${packages.join(", ")} from Debian's archive:\n${why}`);
}
