import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerConfig, MachineShare } from "../../src/runtime/container.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode, type TestNode } from "../support/test-containers.ts";

/** How far containers are let into the machine, as programs in them see it. */

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image = "";

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
  node = await openNode(containerd, registry, noVolumes);
  const tools = ["grep", "df", "dd", "mount", "readlink"].map((name) => ({
    ...{ name: `bin/${name}`, link: "busybox" },
  }));
  image = await node.put("box", await makeImage([[...busyboxFiles(), ...tools]]));
});
afterAll(async () => {
  await node?.end();
  await Promise.all([containerd?.stop(), registry?.stop()]);
});

/** What a script printed, and its exit code. */
async function run(script: string, more: Partial<ContainerConfig>): Promise<string> {
  const containers = node.containers();
  const config = node.config(image, script, more);
  await containers.create(config, undefined);
  await containers.start(config.id);
  const { exitCode } = await containers.wait(config.id, AbortSignal.timeout(20_000));
  let said = "";
  const options = { follow: false, stdout: true, stderr: true };
  for await (const { line } of containers.logs(config.id, options, new AbortController().signal)) {
    said += Buffer.from(line).toString();
  }
  await containers.remove(config.id);
  return `${said.trim()} (${exitCode})`;
}

const share = (more: Partial<MachineShare>): { machine: MachineShare } => ({
  machine: { isPrivileged: false, hostNamespaces: [], devices: [], ...more },
});

test("a privileged one mounts and sees the host's devices; another does neither", async () => {
  const script =
    "mount -t tmpfs none /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs none /mnt && ls /dev/loop-control";
  expect(await run(script, share({ isPrivileged: true }))).toBe("/dev/loop-control (0)");
  expect(await run(script, {})).toMatch(/\(1\)$/);
});

test("a device of the host, at its place, for what it is allowed", async () => {
  const loop = { source: "/dev/loop0", target: "/dev/ring", access: "r" };
  const script = "exec 2>&1; dd if=/dev/ring of=/dev/null count=0 2>/dev/null && echo read; : > /dev/ring";
  const said = await run(script, share({ devices: [loop] }));
  expect(said).toMatch(/^read$/m);
  expect(said).toContain("/dev/ring: Operation not permitted");
});

test("the host's processes and name, or its own", async () => {
  const script = "readlink /proc/self/ns/pid; readlink /proc/self/ns/uts";
  const { readlinkSync } = await import("node:fs");
  const host = ["pid", "uts"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)).join("\n");
  expect(await run(script, share({ hostNamespaces: ["pid", "uts", "ipc"] }))).toBe(`${host} (0)`);
  expect(await run(script, {})).not.toContain(host.split("\n")[0]);
});

test("shared memory of its own size", async () => {
  expect(await run("df -k /dev/shm | tail -1", { shmBytes: 2 << 20 })).toMatch(/\b2048\b/);
});

test("shares and sets of CPUs are in its cgroup", async () => {
  const said = await run("grep Cpus_allowed_list /proc/self/status", {
    resources: { cpusetCpus: "0", cpuShares: 512 },
  });
  expect(said).toMatch(/Cpus_allowed_list:\s*0 \(0\)/);
});
