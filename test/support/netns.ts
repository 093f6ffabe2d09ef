import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inside, openNetns } from "../../src/kernel/netns.ts";
import { execOk } from "../../src/sys/index.ts";

/** A network namespace that plays a host, and a folder for what is pinned on it. Gone with `dispose`. */
export interface TestHost {
  readonly netns: string;
  readonly folder: string;
  /** Runs synchronous work with the test's thread in there. */
  inside<T>(work: () => T): T;
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
  const path = (pinned?: string) => (pinned === undefined ? `/run/netns/${netns}` : `${folder}/${pinned}`);
  return {
    netns,
    folder,
    path,
    inside: (work) => inside(fd, work),
    run: (argv, pinned) => execOk(["nsenter", `--net=${path(pinned)}`, "--", ...argv]),
    async dispose() {
      const { readdirSync } = await import("node:fs");
      for (const name of readdirSync(folder))
        await execOk(["umount", "-l", join(folder, name)]).catch(() => "");
      rmSync(folder, { recursive: true, force: true });
      await execOk(["ip", "netns", "delete", netns]);
    },
  };
}
