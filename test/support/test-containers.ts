import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Log, silentLog } from "../../src/lib/index.ts";
import type { ContainerConfig, Volumes } from "../../src/runtime/container.ts";
import { ContainerdContainers } from "../../src/runtime/containers.ts";
import { systemClock, systemRandom } from "../../src/sys/index.ts";
import type { TestContainerd } from "./containerd.ts";
import { type MadeImage, pushImage } from "./image-maker.ts";
import { buildProgram } from "./netns.ts";
import { openImages, type TestImages } from "./test-images.ts";

/** One node's runtime on a containerd namespace, with a pinned network namespace for its containers. */
export interface TestNode {
  readonly images: TestImages["images"];
  readonly volumes: Volumes;
  readonly dir: string;
  readonly netns: string;
  /** The open one; another after `reopen`. */
  containers(): ContainerdContainers;
  /** Lets the runtime go and opens it again: what a restart of shoald does. */
  reopen(): Promise<ContainerdContainers>;
  /** Publishes an image in the test's registry and pulls it; its name. */
  put(name: string, image: MadeImage): Promise<string>;
  /** A config with an id of its own; `sh -c script` when a script is given. */
  config(image: string, script?: string, more?: Partial<ContainerConfig>): ContainerConfig;
  /** containerd's own tool in this node's namespace; its lines. */
  ctr(...args: string[]): string[];
  /** Pids of the shims of this node's containers. */
  shims(): number[];
  /** Names of what containerd and the machine still have of containers. */
  leftovers(): string[];
  /** Removes all containers and everything else; fails when the containers have left anything. */
  end(): Promise<void>;
}

let count = 0;

export async function openNode(
  containerd: TestContainerd,
  registry: { readonly url: string; readonly host: string },
  makeVolumes: (dir: string) => Volumes | Promise<Volumes>,
  log: Log = silentLog,
): Promise<TestNode> {
  const name = `rt${process.pid}-${count++}`;
  const dir = mkdtempSync(join(tmpdir(), "shoal-containers-"));
  const program = buildProgram("src/files/copy-program.ts");
  const { images, close } = openImages(containerd, name);
  const volumes = await makeVolumes(`${dir}/volumes`);
  execFileSync("ip", ["netns", "add", name]);
  const open = (): Promise<ContainerdContainers> =>
    ContainerdContainers.open({
      address: { socket: containerd.socket, namespace: name },
      ...{ images, volumes, dataDir: `${dir}/data`, runDir: `${dir}/run` },
      copyProgram: pathToFileURL(`${program}/program.js`),
      ...{ clock: systemClock, random: systemRandom, log },
    });
  let containers = await open();
  const ctr = (...args: string[]): string[] =>
    execFileSync("ctr", ["--address", containerd.socket, "--namespace", name, ...args], { encoding: "utf8" })
      .split("\n")
      .filter(Boolean);
  const netns = `/run/netns/${name}`;
  const ids: string[] = [];
  const leftovers = (): string[] => [
    ...ctr("containers", "ls", "-q").map((id) => `container ${id}`),
    ...ctr("tasks", "ls", "-q").map((id) => `task ${id}`),
    ...ctr("snapshots", "ls")
      .filter((line) => line.includes("Active"))
      .map((line) => `snapshot ${line}`),
    ...readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(`/${name}/`) || line.includes(dir)),
    ...["data", "run"]
      .flatMap((sub) => namesIn(`${dir}/${sub}`))
      .filter((path) => !/\/\.(fifos-|view$)/.test(path)),
    ...ids.flatMap(cgroupsOf),
    ...shimsOf(name).map((pid) => `shim ${pid}`),
  ];
  return {
    ...{ images, volumes, dir, netns },
    containers: () => containers,
    async reopen() {
      await containers.close();
      containers = await open();
      return containers;
    },
    async put(repository, image) {
      await pushImage(registry.url, repository, "1", [image]);
      const text = `${registry.host}/${repository}:1`;
      await images.pull(text);
      return text;
    },
    config(image, script, more = {}) {
      const config = configOf(image, netns, script, more);
      ids.push(config.id);
      return config;
    },
    ctr,
    shims: () => shimsOf(name),
    leftovers,
    async end() {
      for (const { id } of await containers.list()) await containers.remove(id);
      const left = leftovers();
      await containers.close();
      await close();
      execFileSync("ip", ["netns", "del", name]);
      for (const folder of [dir, program]) rmSync(folder, { recursive: true, force: true });
      // runc's folder of the namespace, which containerd leaves.
      rmSync(`/run/containerd/runc/${name}`, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`removed containers have left ${left.join(", ")}`);
    },
  };
}

function configOf(
  image: string,
  netns: string,
  script: string | undefined,
  more: Partial<ContainerConfig>,
): ContainerConfig {
  const id = randomBytes(32).toString("hex");
  return {
    ...{ id, name: id.slice(0, 12), image, hostname: id.slice(0, 12), labels: {}, netns },
    ...(script !== undefined && { args: ["sh", "-c", script] }),
    ...{ env: [], groups: [], mounts: [], hosts: [], capAdd: [], capDrop: [], ulimits: [] },
    ...{ tty: false, openStdin: false, readOnly: false, sysctls: {}, resources: {} },
    dns: { nameservers: [], search: [], options: [] },
    ...{ logMaxBytes: 1 << 20, logMaxFiles: 2 },
    ...more,
  };
}

/** Of either version of cgroups. */
function cgroupsOf(id: string): string[] {
  const controllers = readdirSync("/sys/fs/cgroup").map((name) => `${name}/`);
  return ["", ...controllers]
    .map((controller) => `/sys/fs/cgroup/${controller}shoal/${id}`)
    .filter((path) => existsSync(path));
}

function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).map((name) => `${dir}/${name}`) : [];
}

/** Pids of the shims that serve this containerd namespace. */
function shimsOf(namespace: string): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words[0]?.includes("containerd-shim") && words.includes(namespace);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** For tests that mount none. */
export function noVolumes(): Volumes {
  return {
    list: async () => [],
    get: async () => undefined,
    bytesOf: async () => 0,
    hold: async () => {},
    release: async () => {},
    restore: async () => {},
    create: async () => {
      throw new Error("there are no volumes in this test");
    },
    remove: async () => {},
  };
}
