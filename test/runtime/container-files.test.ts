import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ContainerConfig, MemoryFile } from "../../src/runtime/container.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode, type TestNode } from "../support/test-containers.ts";

const never = new AbortController().signal;

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image = "";

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));
beforeEach(async () => {
  node = await openNode(containerd, registry, noVolumes);
  const tools = ["stat", "grep", "mount", "ls"].map((name) => ({ name: `bin/${name}`, link: "busybox" }));
  // The image's /run/secrets leads out of the container, if anybody on the host were to follow it.
  const trap = { name: "run/secrets", link: "/../../../tmp" };
  image = await node.put("files", await makeImage([[...busyboxFiles(), ...tools, trap]]));
});
afterEach(() => node.end());

const file = (target: string, more: Partial<MemoryFile> = {}): MemoryFile => ({
  ...{ target, uid: 0, gid: 0, mode: 0o444 },
  ...more,
});
const text = (words: Record<string, string>) =>
  new Map(Object.entries(words).map(([target, word]) => [target, Buffer.from(word)]));

const tmpfsUnder = (dir: string): string[] =>
  readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(dir) && line.includes(" tmpfs "));

async function outputOf({ id }: ContainerConfig): Promise<string> {
  const lines: Uint8Array[] = [];
  const all = { follow: false, stdout: true, stderr: true };
  for await (const { line } of node.containers().logs(id, all, never)) lines.push(line);
  return Buffer.concat(lines).toString();
}

test("files are on a tmpfs of the container, with owner and mode, and nobody writes them", async () => {
  const files = [
    file("/run/secrets/token", { uid: 7, gid: 8, mode: 0o440 }),
    file("/etc/app.sh", { mode: 0o755 }),
  ];
  const script = [
    // Two pipes have no order.
    "exec 2>&1",
    "cat /run/secrets/token",
    "echo; stat -c '%u:%g %a' /run/secrets/token",
    "grep -c ' /etc/app.sh tmpfs ro' /proc/mounts",
    "echo x > /etc/app.sh",
    "/etc/app.sh",
  ].join("; ");
  const config = node.config(image, script, { files, readOnly: true });
  const contents = text({ "/run/secrets/token": "hush", "/etc/app.sh": "#!/bin/sh\necho ran" });
  await node.containers().create(config, contents);
  await node.containers().start(config.id);
  await node.containers().wait(config.id, AbortSignal.timeout(20_000));
  const said = await outputOf(config);
  expect(said).toMatch(/^hush\n7:8 440\n1\n/);
  expect(said).toContain("Read-only file system");
  expect(said).toMatch(/ran\n$/);
  expect(existsSync("/tmp/token")).toBe(false);
  expect(tmpfsUnder(node.dir)).toHaveLength(1);
  await node.containers().remove(config.id);
  expect(tmpfsUnder(node.dir)).toEqual([]);
});

test("they outlive a restart of the runtime, made or running, and are in no record of the container", async () => {
  const files = [file("/token")];
  const configs = [1, 2].map(() =>
    node.config(image, "trap 'cat /token; exit 0' TERM; while :; do sleep 0.1; done", { files }),
  );
  for (const config of configs) await node.containers().create(config, text({ "/token": "hush" }));
  const [running, made] = configs;
  await node.containers().start(running!.id);
  const containers = await node.reopen();
  await containers.start(made!.id);
  for (const { id } of configs) {
    await containers.stop(id, { graceMs: 10_000 });
    expect(await outputOf((await containers.get(id))!.config)).toBe("hush");
    expect(node.ctr("containers", "info", id).join("\n")).not.toMatch(/hush|aHVzaA/);
  }
});

test("without contents, or in the place of a mount, a container is not made and leaves nothing", async () => {
  const containers = node.containers();
  const bare = node.config(image, "true", { files: [file("/token")] });
  await expect(containers.create(bare)).rejects.toThrow("cannot make file /token: it has no contents");
  const source = `${node.dir}/there`;
  mkdirSync(source);
  const mounts = [{ type: "bind", source, target: "/token/", readOnly: true } as const];
  const taken = node.config(image, "true", { files: [file("/token")], mounts });
  const made = containers.create(taken, text({ "/token": "hush" }));
  await expect(made).rejects.toThrow("Duplicate mount point: /token");
  const missing = node.config("nothing:1", "true", { files: [file("/token")] });
  await expect(containers.create(missing, text({ "/token": "hush" }))).rejects.toThrow();
  expect(tmpfsUnder(node.dir)).toEqual([]);
});

test("what a crash leaves of a container that is on no record goes at the next start", async () => {
  const config = node.config(image, "true", { files: [file("/token")] });
  await node.containers().create(config, text({ "/token": "hush" }));
  await node.containers().close();
  node.ctr("tasks", "delete", "--force", config.id);
  node.ctr("containers", "rm", config.id);
  await node.reopen();
  expect(tmpfsUnder(node.dir)).toEqual([]);
});
