import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { ThreadKernel } from "../../src/kernel/index.ts";
import { LinuxKernel } from "../../src/kernel/linux-kernel.ts";
import { inside, openNetns } from "../../src/kernel/netns.ts";
import { silentLog } from "../../src/lib/index.ts";
import { exec, execOk, systemClock } from "../../src/sys/index.ts";

/** A network namespace that plays a host, and a folder for what is pinned on it. Gone with `dispose`. */
export interface TestHost {
  readonly netns: string;
  readonly folder: string;
  /** Runs synchronous work with the test's thread in there. */
  inside<T>(work: () => T): T;
  /** A kernel whose "host" is this one. */
  kernel(tag?: string, folder?: string): LinuxKernel;
  /** The same in a thread of its own, as shoald has it, which ends with `dispose`. */
  threadKernel(): ThreadKernel;
  /** A program's output, run in the host or in one of its pinned namespaces. */
  run(argv: readonly [string, ...string[]], pinned?: string): Promise<string>;
  path(pinned?: string): string;
  dispose(): Promise<void>;
}

let count = 0;

export async function makeTestHost(): Promise<TestHost> {
  const netns = `shoal-test-${process.pid}-${count++}`;
  const folder = mkdtempSync(join(tmpdir(), "shoal-netns-"));
  await execOk(["ip", "netns", "add", netns]);
  await execOk(["ip", "-n", netns, "link", "set", "lo", "up"]);
  const fd = openNetns(`/run/netns/${netns}`);
  const threads: ThreadKernel[] = [];
  let program: string | undefined;
  const path = (pinned?: string) => (pinned === undefined ? `/run/netns/${netns}` : `${folder}/${pinned}`);
  return {
    netns,
    folder,
    path,
    inside: (work) => inside(fd, work),
    kernel: (tag = "sh", netnsDir = folder) =>
      inside(fd, () => new LinuxKernel({ tag, netnsDir, clock: systemClock, log: silentLog })),
    threadKernel() {
      program ??= buildProgram("src/kernel/kernel-thread.ts");
      const options = {
        tag: "sh",
        netnsDir: folder,
        log: silentLog,
        thread: pathToFileURL(join(program, "program.js")),
      };
      const kernel = inside(fd, () => new ThreadKernel(options));
      threads.push(kernel);
      return kernel;
    },
    run: (argv, pinned) => execOk(["nsenter", `--net=${path(pinned)}`, "--", ...argv]),
    async dispose() {
      for (const thread of threads) await thread.close();
      if (program !== undefined) rmSync(program, { recursive: true });
      for (const name of readdirSync(folder)) await exec(["umount", "-l", join(folder, name)]);
      rmSync(folder, { recursive: true, force: true });
      await execOk(["ip", "netns", "delete", netns]);
    },
  };
}

/** Bundles a program of this project, in a folder of its own, as program.js: threads and children do not run TypeScript. */
export function buildProgram(entry: string): string {
  const folder = mkdtempSync(join(tmpdir(), "shoal-program-"));
  symlinkSync(resolve(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  buildSync({
    entryPoints: [resolve(import.meta.dirname, "../..", entry)],
    outfile: join(folder, "program.js"),
    ...{ bundle: true, packages: "external", platform: "node", format: "esm" },
  });
  return folder;
}

/** Joins hosts by a switch: the first gets 192.168.7.1/24 on eth0, and so on. Returns the switch's end. */
export async function joinHosts(hosts: readonly TestHost[]): Promise<() => Promise<void>> {
  const ns = `shoal-test-${process.pid}-switch`;
  await execOk(["ip", "netns", "add", ns]);
  await execOk(["ip", "-n", ns, "link", "add", "br0", "type", "bridge"]);
  await execOk(["ip", "-n", ns, "link", "set", "br0", "up"]);
  for (const [i, { netns }] of hosts.entries()) {
    const words = ["link", "add", `p${i}`, "type", "veth", "peer", "name", "eth0", "netns", netns];
    await execOk(["ip", "-n", ns, ...words]);
    await execOk(["ip", "-n", ns, "link", "set", `p${i}`, "master", "br0", "up"]);
    await execOk(["ip", "-n", netns, "address", "add", `192.168.7.${i + 1}/24`, "dev", "eth0"]);
    await execOk(["ip", "-n", netns, "link", "set", "eth0", "up"]);
  }
  return async () => void (await execOk(["ip", "netns", "delete", ns]));
}
