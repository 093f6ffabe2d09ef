import { beforeEach, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { aContainer, aTaskSpec } from "../model/objects.fake.ts";
import { assigned, RunnerStage, sh } from "./runner-stage.fake.ts";

let stage: RunnerStage;

beforeEach(() => {
  stage = new RunnerStage();
});

test("a task goes through Swarm's states to RUNNING, and its container's end is COMPLETE", async () => {
  const runner = stage.run(assigned());
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(["accepted", "preparing", "ready", "starting", "running"]);
  const { id, pid, name } = await stage.theOnly();
  expect(stage.last()).toMatchObject({ message: "started", container: { id, pid } });
  expect(name).toBe("web.1.web-1");
  expect(stage.sandboxes.attached).toEqual(new Set(["web-1"]));
  stage.containers.exit(id, 0);
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({
    state: "complete",
    message: "finished",
    container: { id, exitCode: 0 },
  });
  expect(stage.sandboxes.attached.size).toBe(0);
  expect(await stage.containers.list()).toHaveLength(1);
  runner.remove();
  await runner.finished;
  expect(await stage.containers.list()).toEqual([]);
});

test("another exit code is FAILED, in Docker's words", async () => {
  stage.run(assigned({ args: sh("echo hello; exit 3") }));
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({
    state: "failed",
    error: "task: non-zero exit (3): hello",
    container: { exitCode: 3 },
  });
});

test("a task that is wanted READY waits there", async () => {
  const task = assigned({}, "ready");
  const runner = stage.run(task);
  await stage.clock.advance(60_000);
  expect(stage.states()).toEqual(["accepted", "preparing", "ready"]);
  expect((await stage.theOnly()).status).toBe("created");
  runner.update({ ...task, desiredState: "running" });
  await stage.clock.advance(0);
  expect(stage.states().slice(3)).toEqual(["starting", "running"]);
});

test("stopping gives the container its grace, then it is SHUTDOWN and off the network", async () => {
  const task = assigned({ args: sh('trap "exit 7" TERM; serve') });
  const runner = stage.run(task);
  await stage.clock.advance(0);
  runner.update({ ...task, desiredState: "shutdown" });
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "shutdown", container: { exitCode: 7 } });
  expect(stage.sandboxes.attached.size).toBe(0);
});

test("who does not stop in his grace is killed", async () => {
  const task = assigned();
  const runner = stage.run(task);
  await stage.clock.advance(0);
  runner.update({ ...task, desiredState: "shutdown" });
  await stage.clock.advance(9_999);
  expect(stage.last()?.state).toBe("running");
  expect(stage.sandboxes.attached.size).toBe(1);
  await stage.clock.advance(1);
  expect(stage.last()).toMatchObject({ state: "shutdown", container: { exitCode: 137 } });
});

test("a task that leaves the assignments goes with its container and network", async () => {
  const runner = stage.run(assigned());
  await stage.clock.advance(0);
  runner.remove();
  await stage.clock.advance(10_000);
  await runner.finished;
  expect(await stage.containers.list()).toEqual([]);
  expect(stage.sandboxes.attached.size).toBe(0);
});

test("what fails before the start is REJECTED, with the reason", async () => {
  stage.run({ ...assigned(), spec: { ...aTaskSpec, container: { ...aContainer, image: "nope:1" } } });
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({
    state: "rejected",
    error: expect.stringContaining("manifest for nope:1 not found"),
  });
  expect(stage.sandboxes.attached.size).toBe(0);
});

test("a container that cannot be made is REJECTED, one that cannot be started FAILED", async () => {
  stage.containers.failing.create = new Fault("invalid", "bind source path does not exist: /x");
  stage.run(assigned());
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "rejected", error: "bind source path does not exist: /x" });
  const runner = stage.run(assigned({ args: ["nosuch"] }));
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({
    state: "failed",
    error: expect.stringContaining("executable file not found"),
  });
  runner.remove();
  await runner.finished;
  expect(await stage.containers.list()).toEqual([]);
});

test("a part that is away is waited for, and the status says so", async () => {
  stage.images.online = false;
  stage.run(assigned());
  await stage.clock.advance(3_000);
  expect(stage.last()).toMatchObject({
    state: "preparing",
    error: expect.stringContaining("connection refused"),
  });
  stage.images.online = true;
  await stage.clock.advance(1_000);
  expect(stage.last()).toMatchObject({ state: "running" });
  expect(stage.last()?.error).toBeUndefined();
});

test("a part that stays away rejects the task in the end: another node may do better", async () => {
  stage.images.online = false;
  stage.run(assigned());
  await stage.clock.advance(60_000);
  expect(stage.last()).toMatchObject({
    state: "rejected",
    error: expect.stringContaining("connection refused"),
  });
});

test("a network that cannot be made rejects the task and takes nothing with it", async () => {
  stage.sandboxes.failing = new Fault("internal", "cannot apply network: no such device");
  stage.run(assigned());
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "rejected", error: "cannot apply network: no such device" });
  expect(await stage.containers.list()).toEqual([]);
});

test("a task that is no longer wanted while it waits for its image is done with at once", async () => {
  stage.images.online = false;
  const task = assigned();
  const runner = stage.run(task);
  await stage.clock.advance(2_000);
  runner.update({ ...task, desiredState: "shutdown" });
  await stage.clock.advance(0);
  expect(stage.states()).not.toContain("ready");
  expect(stage.last()?.state).toBe("shutdown");
  expect(stage.sandboxes.attached.size).toBe(0);
  stage.images.online = true;
  await stage.clock.advance(60_000);
  expect(await stage.containers.list()).toEqual([]);
  expect(stage.last()?.state).toBe("shutdown");
});

test("a daemon that ends leaves the container running, and the next one goes on with it", async () => {
  const task = assigned();
  const found = await stage.earlierRun(task);
  expect(found.status).toBe("running");
  const runner = stage.run(task, found);
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(["running"]);
  expect(stage.last()?.container).toMatchObject({ id: found.id, pid: found.pid });
  expect(stage.sandboxes.attached).toEqual(new Set(["web-1"]));
  stage.containers.exit(found.id, 1);
  await stage.clock.advance(0);
  expect(stage.last()?.state).toBe("failed");
  runner.remove();
  await runner.finished;
});

test("a daemon that ends while a container has its grace leaves the rest to the next one", async () => {
  const task = assigned();
  const earlier = stage.run(task);
  await stage.clock.advance(0);
  earlier.update({ ...task, desiredState: "shutdown" });
  await stage.clock.advance(1_000);
  earlier.abandon();
  await earlier.finished;
  expect(stage.last()?.state).toBe("running");
  stage.run({ ...task, desiredState: "shutdown" }, await stage.theOnly());
  await stage.clock.advance(10_000);
  expect(stage.last()).toMatchObject({ state: "shutdown" });
  expect((await stage.theOnly()).status).toBe("stopped");
});

test("a container that ended while no daemon was there is told with its exit code", async () => {
  const task = assigned();
  const { id } = await stage.earlierRun(task);
  stage.containers.exit(id, 5);
  stage.run(task, await stage.theOnly());
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(["failed"]);
  expect(stage.last()?.container).toMatchObject({ id, exitCode: 5 });
});

test("a container that was made and not started is started", async () => {
  const task = assigned({}, "ready");
  const found = await stage.earlierRun(task);
  expect(found.status).toBe("created");
  stage.run({ ...task, desiredState: "running" }, found);
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(["accepted", "preparing", "ready", "starting", "running"]);
  expect(await stage.containers.list()).toHaveLength(1);
});

test("a found container that is no longer wanted is stopped", async () => {
  const task = assigned({ args: sh('trap "exit 0" TERM; serve') });
  const found = await stage.earlierRun(task);
  stage.run({ ...task, desiredState: "shutdown" }, found);
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "shutdown", container: { id: found.id } });
  expect((await stage.theOnly()).status).toBe("stopped");
});

test("a found container whose network cannot be had again does not run on without it", async () => {
  const task = assigned({ args: sh('trap "exit 0" TERM; serve') });
  const found = await stage.earlierRun(task);
  stage.sandboxes.failing = new Fault("internal", "cannot apply network: no such device");
  stage.run(task, found);
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "failed", error: "cannot apply network: no such device" });
  expect((await stage.theOnly()).status).toBe("stopped");
});

test("a runtime that is closed or away ends no task", async () => {
  const wait = stage.containers.wait.bind(stage.containers);
  let away = 3;
  stage.containers.wait = async (id, signal) => {
    if (away-- > 0) throw new Fault("unavailable", "the runtime is closed");
    return wait(id, signal);
  };
  stage.run(assigned());
  await stage.clock.advance(10_000);
  expect(stage.last()?.state).toBe("running");
  stage.containers.exit((await stage.theOnly()).id, 0);
  await stage.clock.advance(0);
  expect(stage.last()?.state).toBe("complete");
});

test("removing goes on until the part that is away is back", async () => {
  const runner = stage.run(assigned({ args: sh("exit 0") }));
  await stage.clock.advance(0);
  const remove = stage.containers.remove.bind(stage.containers);
  let away = 3;
  stage.containers.remove = async (id) => {
    if (away-- > 0) throw new Fault("unavailable", "containerd is not there");
    return remove(id);
  };
  runner.remove();
  await stage.clock.advance(2_000);
  expect(await stage.containers.list()).toHaveLength(1);
  await stage.clock.advance(1_000);
  await runner.finished;
  expect(await stage.containers.list()).toEqual([]);
});
