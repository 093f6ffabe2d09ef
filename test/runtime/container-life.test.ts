import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ContainerConfig } from "../../src/runtime/container.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode, type TestNode } from "../support/test-containers.ts";
import { until } from "../support/until.ts";

const never = new AbortController().signal;
const ALL = { follow: false, stdout: true, stderr: true };

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
  image = await node.put("box", await makeImage([busyboxFiles()]));
});
afterEach(() => node.end());

async function started(script: string, more: Partial<ContainerConfig> = {}): Promise<string> {
  const config = node.config(image, script, more);
  await node.containers().create(config);
  await node.containers().start(config.id);
  return config.id;
}

async function linesOf(id: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of node.containers().logs(id, ALL, never)) {
    lines.push(Buffer.from(line).toString().trimEnd());
  }
  return lines;
}

/** A folder that a container sees, to tell it when to go on. */
function stage(): { dir: string; mounts: ContainerConfig["mounts"] } {
  const dir = `${node.dir}/stage`;
  mkdirSync(dir, { recursive: true });
  return { dir, mounts: [{ type: "bind", source: dir, target: "/stage", readOnly: false }] };
}

test("a restarted daemon finds everything, and output of the time between", async () => {
  const { dir, mounts } = stage();
  const script =
    "echo one; until [ -e /stage/go ]; do sleep 0.02; done; echo two; touch /stage/done; until [ -e /stage/end ]; do sleep 0.02; done; exit 4";
  const id = await started(script, { mounts, labels: { a: "b" } });
  const idle = node.config(image, "echo started late; exit 6");
  await node.containers().create(idle);
  const before = await node.containers().get(id);
  await node.containers().close();
  writeFileSync(`${dir}/go`, "");
  await until(() => existsSync(`${dir}/done`));
  await node.reopen();
  expect(await node.containers().get(id)).toEqual(before);
  expect((await node.containers().get(idle.id))?.status).toBe("created");
  const waiting = node.containers().wait(id, never);
  writeFileSync(`${dir}/end`, "");
  expect(await waiting).toEqual({ exitCode: 4 });
  expect(await linesOf(id)).toEqual(["one", "two"]);
  await node.containers().start(idle.id);
  expect(await node.containers().wait(idle.id, never)).toEqual({ exitCode: 6 });
  expect(await linesOf(idle.id)).toEqual(["started late"]);
});

test("an end in the daemon's absence is known afterwards, with its time", async () => {
  const { dir, mounts } = stage();
  const id = await started("until [ -e /stage/go ]; do sleep 0.02; done; exit 9", { mounts });
  const { pid, startedAt } = (await node.containers().get(id)) ?? {};
  await node.containers().close();
  writeFileSync(`${dir}/go`, "");
  await until(() => !existsSync(`/proc/${pid}`));
  const gone = Date.now();
  await node.reopen();
  const ended = await node.containers().get(id);
  expect(ended).toMatchObject({ status: "stopped", exitCode: 9, oomKilled: false, startedAt });
  expect(Math.abs(ended!.finishedAt! - gone)).toBeLessThan(1_000);
  await node.reopen();
  expect(await node.containers().get(id)).toEqual(ended);
});

test("waiting outlives containerd; what asks it meanwhile is told so", async () => {
  const { dir, mounts } = stage();
  const script = "until [ -e /stage/go ]; do sleep 0.02; done; echo end; exit 3";
  const [early, late] = [
    await started(script, { mounts }),
    await started(script.replace("go", "later"), { mounts }),
  ];
  const { pid } = (await node.containers().get(early)) ?? {};
  const waiting = [early, late].map((id) => node.containers().wait(id, never));
  await containerd.kill();
  await expect(node.containers().create(node.config(image, "exit 0"))).rejects.toMatchObject({
    kind: "unavailable",
  });
  await expect(node.containers().stop(late, { graceMs: 1 })).rejects.toMatchObject({ kind: "unavailable" });
  expect(await node.containers().list()).toHaveLength(2);
  writeFileSync(`${dir}/go`, "");
  await until(() => !existsSync(`/proc/${pid}`));
  await containerd.restart();
  expect(await waiting[0]).toEqual({ exitCode: 3 });
  writeFileSync(`${dir}/later`, "");
  expect(await waiting[1]).toEqual({ exitCode: 3 });
  expect(await linesOf(late)).toEqual(["end"]);
  const again = node.config(image, "exit 0");
  await until(() =>
    node
      .containers()
      .create(again)
      .then(
        () => true,
        () => false,
      ),
  );
  await node.containers().start(again.id);
  expect(await node.containers().wait(again.id, never)).toEqual({ exitCode: 0 });
});

test("what was half made when containerd died is made anew under the same id", async () => {
  const config = node.config(image, "exit 0");
  // The snapshot of a create that was cut off.
  const { topChainId } = await node.images.resolve(image);
  node.ctr("snapshots", "prepare", config.id, topChainId);
  await node.containers().create(config);
  await node.containers().start(config.id);
  expect(await node.containers().wait(config.id, never)).toEqual({ exitCode: 0 });
});

test("after a crash of the machine, what ran has ended with 255, and what had ended has not changed", async () => {
  const id = await started("sleep 1000");
  const other = await started("exit 7");
  await node.containers().wait(other, never);
  const created = node.config(image, "exit 8");
  await node.containers().create(created);
  const { pid } = (await node.containers().get(id)) ?? {};
  await node.containers().close();
  await containerd.kill();
  for (const shim of node.shims()) process.kill(shim, "SIGKILL");
  process.kill(pid!, "SIGKILL");
  await until(() => !existsSync(`/proc/${pid}`));
  await containerd.restart();
  await node.reopen();
  expect(await node.containers().get(id)).toMatchObject({ status: "stopped", exitCode: 255 });
  expect(await node.containers().get(other)).toMatchObject({ status: "stopped", exitCode: 7 });
  expect(await node.containers().get(created.id)).toMatchObject({ status: "created" });
  await node.containers().start(created.id);
  expect(await node.containers().wait(created.id, never)).toEqual({ exitCode: 8 });
  for (const { id: each } of await node.containers().list()) await node.containers().remove(each);
  expect(node.leftovers()).toEqual([]);
});

test("a shim that dies takes its container along, and that is noticed", async () => {
  const id = await started("sleep 1000");
  const waiting = node.containers().wait(id, never);
  const [shim] = node.shims();
  process.kill(shim!, "SIGKILL");
  expect((await waiting).exitCode).toBeGreaterThan(127);
  await node.containers().remove(id);
  expect(node.leftovers()).toEqual([]);
});

test("the kernel's kill for want of memory is told from others", async () => {
  const actions: string[] = [];
  node.containers().subscribe(({ action }) => actions.push(action));
  const hungry = "x=0123456789abcdef; while :; do x=$x$x; done";
  const id = await started(`exec /bin/busybox sh -c '${hungry}'`, { resources: { memoryBytes: 16 << 20 } });
  expect(await node.containers().wait(id, AbortSignal.timeout(20_000))).toEqual({ exitCode: 137 });
  // Known at the end at the latest, though containerd may tell of the end first.
  expect(await node.containers().get(id)).toMatchObject({ oomKilled: true });
  expect(actions).toEqual(["create", "start", "oom", "die"]);
  const killed = await started("exec sleep 100", { resources: { memoryBytes: 16 << 20 } });
  await node.containers().stop(killed, { graceMs: 0 });
  expect(await node.containers().get(killed)).toMatchObject({ exitCode: 137, oomKilled: false });
});

test("a start sweeps away what a crash left", async () => {
  const id = await started("exit 0");
  await node.containers().wait(id, never);
  await node.containers().close();
  node.ctr("containers", "rm", "--keep-snapshot", id);
  mkdirSync(`${node.dir}/run/.rootfs-aa`);
  execFileSync("mount", ["-t", "tmpfs", "left", `${node.dir}/run/.rootfs-aa`]);
  writeFileSync(`${node.dir}/run/.rootfs-aa/precious`, "");
  expect(node.leftovers().length).toBeGreaterThan(2);
  await node.reopen();
  expect(node.leftovers()).toEqual([]);
  expect(await node.containers().list()).toEqual([]);
});

test("fifty at once start in seconds, and leave nothing", async () => {
  const configs = Array.from({ length: 50 }, () => node.config(image, "exec sleep 1000"));
  const begun = performance.now();
  await Promise.all(
    configs.map(async (config) => {
      await node.containers().create(config);
      await node.containers().start(config.id);
    }),
  );
  const ms = performance.now() - begun;
  expect((await node.containers().list()).map(({ status }) => status)).toEqual(configs.map(() => "running"));
  // About two seconds on two idle cores.
  expect(ms).toBeLessThan(30_000);
  console.log(`50 containers created and started in ${Math.round(ms)} ms`);
  await Promise.all(configs.map(({ id }) => node.containers().remove(id)));
  expect(node.leftovers()).toEqual([]);
});

test("stop, remove and start at the same time end in one state", async () => {
  const ids = await Promise.all(Array.from({ length: 5 }, () => started("sleep 1000")));
  await Promise.all(
    ids.flatMap((id) => [
      node
        .containers()
        .stop(id, { graceMs: 0 })
        .catch(() => {}),
      node.containers().remove(id),
      node.containers().remove(id),
      node
        .containers()
        .start(id)
        .catch(() => {}),
    ]),
  );
  for (const { id } of await node.containers().list()) await node.containers().remove(id);
  expect(node.leftovers()).toEqual([]);
});
