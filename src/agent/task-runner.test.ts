import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { FakeClock, Fault, type Log, seededRandom, silentLog } from "../lib/index.ts";
import { type DesiredState, stateRank, type TaskState, type TaskStatus } from "../model/index.ts";
import { aContainer, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import type { ContainerState } from "../runtime/index.ts";
import type { AssignedTask } from "./assignment-book.ts";
import { containerConfigOf } from "./container-config.ts";
import type { Sandboxes } from "./prepare.ts";
import { TaskRunner } from "./task-runner.ts";

const RUNS_ON = ["serve"];

/** Namespaces in memory: which tasks have one, and what goes wrong next. */
class FakeSandboxes implements Sandboxes {
  readonly attached = new Set<string>();
  failing: Fault | undefined;

  async attach(task: AssignedTask): ReturnType<Sandboxes["attach"]> {
    const fault = this.failing;
    this.failing = undefined;
    if (fault !== undefined) throw fault;
    this.attached.add(task.id);
    return (of, containerId, image) =>
      containerConfigOf(of, {
        ...{ containerId, image, nodeId: "n", gatewayAddress: "172.18.0.16", search: [] },
        netns: `/netns/task-${of.id}`,
      });
  }

  async detach(taskId: string): Promise<void> {
    this.attached.delete(taskId);
  }
}

let clock: FakeClock;
let images: FakeImages;
let containers: FakeContainers;
let sandboxes: FakeSandboxes;
let reported: TaskStatus[];
let warned: string[];
const log: Log = {
  ...silentLog,
  warn: (message) => warned.push(message),
  error: (message) => warned.push(message),
};

beforeEach(() => {
  clock = new FakeClock();
  images = new FakeImages();
  images.publish("redis:3.2", { Cmd: RUNS_ON });
  containers = new FakeContainers({ images, clock });
  sandboxes = new FakeSandboxes();
  reported = [];
  warned = [];
});

function assigned(args: readonly string[] = [], desiredState: DesiredState = "running"): AssignedTask {
  const spec = { ...aTaskSpec, container: { ...aContainer, args, stopGraceMs: 10_000 } };
  return aTask(aService("web", { task: spec }), 1, { nodeId: "n", desiredState });
}

const sh = (script: string) => ["sh", "-c", script];

function run(task: AssignedTask, found?: ContainerState): TaskRunner {
  const report = (_: string, status: TaskStatus) => void reported.push(status);
  return new TaskRunner(
    { containers, images, sandboxes, clock, random: seededRandom(1), log, report },
    task,
    found,
  );
}

const states = (): TaskState[] => reported.map(({ state }) => state);
const last = (): TaskStatus | undefined => reported.at(-1);
const theOnly = async (): Promise<ContainerState> => (await containers.list())[0] as ContainerState;

/** Has a runner of an earlier daemon bring a task as far as it goes, and let go. */
async function earlierRun(task: AssignedTask): Promise<ContainerState> {
  const earlier = run(task);
  await clock.advance(0);
  earlier.abandon();
  await earlier.finished;
  reported = [];
  return theOnly();
}

test("a task goes through Swarm's states to RUNNING, and its container's end is COMPLETE", async () => {
  const runner = run(assigned());
  await clock.advance(0);
  expect(states()).toEqual(["accepted", "preparing", "ready", "starting", "running"]);
  const { id, pid, name } = await theOnly();
  expect(last()).toMatchObject({ message: "started", container: { id, pid } });
  expect(name).toBe("web.1.web-1");
  expect(sandboxes.attached).toEqual(new Set(["web-1"]));
  containers.exit(id, 0);
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "complete", message: "finished", container: { id, exitCode: 0 } });
  expect(sandboxes.attached.size).toBe(0);
  expect(await containers.list()).toHaveLength(1);
  runner.remove();
  await runner.finished;
  expect(await containers.list()).toEqual([]);
});

test("another exit code is FAILED, in Docker's words", async () => {
  run(assigned(sh("echo hello; exit 3")));
  await clock.advance(0);
  expect(last()).toMatchObject({
    state: "failed",
    error: "task: non-zero exit (3): hello",
    container: { exitCode: 3 },
  });
});

test("a task that is wanted READY waits there", async () => {
  const task = assigned([], "ready");
  const runner = run(task);
  await clock.advance(60_000);
  expect(states()).toEqual(["accepted", "preparing", "ready"]);
  expect((await theOnly()).status).toBe("created");
  runner.update({ ...task, desiredState: "running" });
  await clock.advance(0);
  expect(states().slice(3)).toEqual(["starting", "running"]);
});

test("stopping gives the container its grace, then it is SHUTDOWN and off the network", async () => {
  const task = assigned(sh('trap "exit 7" TERM; serve'));
  const runner = run(task);
  await clock.advance(0);
  runner.update({ ...task, desiredState: "shutdown" });
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "shutdown", container: { exitCode: 7 } });
  expect(sandboxes.attached.size).toBe(0);
});

test("who does not stop in his grace is killed", async () => {
  const task = assigned();
  const runner = run(task);
  await clock.advance(0);
  runner.update({ ...task, desiredState: "shutdown" });
  await clock.advance(9_999);
  expect(last()?.state).toBe("running");
  expect(sandboxes.attached.size).toBe(1);
  await clock.advance(1);
  expect(last()).toMatchObject({ state: "shutdown", container: { exitCode: 137 } });
});

test("a task that leaves the assignments goes with its container and network", async () => {
  const runner = run(assigned());
  await clock.advance(0);
  runner.remove();
  await clock.advance(10_000);
  await runner.finished;
  expect(await containers.list()).toEqual([]);
  expect(sandboxes.attached.size).toBe(0);
});

test("what fails before the start is REJECTED, with the reason", async () => {
  run({ ...assigned(), spec: { ...aTaskSpec, container: { ...aContainer, image: "nope:1" } } });
  await clock.advance(0);
  expect(last()).toMatchObject({
    state: "rejected",
    error: expect.stringContaining("manifest for nope:1 not found"),
  });
  expect(sandboxes.attached.size).toBe(0);
});

test("a container that cannot be made is REJECTED, one that cannot be started FAILED", async () => {
  containers.failing.create = new Fault("invalid", "bind source path does not exist: /x");
  run(assigned());
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "rejected", error: "bind source path does not exist: /x" });
  const runner = run(assigned(["nosuch"]));
  await clock.advance(0);
  expect(last()).toMatchObject({
    state: "failed",
    error: expect.stringContaining("executable file not found"),
  });
  runner.remove();
  await runner.finished;
  expect(await containers.list()).toEqual([]);
});

test("a part that is away is waited for, and the status says so", async () => {
  images.online = false;
  run(assigned());
  await clock.advance(3_000);
  expect(last()).toMatchObject({ state: "preparing", error: expect.stringContaining("connection refused") });
  images.online = true;
  await clock.advance(1_000);
  expect(last()).toMatchObject({ state: "running" });
  expect(last()?.error).toBeUndefined();
});

test("a part that stays away rejects the task in the end: another node may do better", async () => {
  images.online = false;
  run(assigned());
  await clock.advance(60_000);
  expect(last()).toMatchObject({ state: "rejected", error: expect.stringContaining("connection refused") });
});

test("a network that cannot be made rejects the task and takes nothing with it", async () => {
  sandboxes.failing = new Fault("internal", "cannot apply network: no such device");
  run(assigned());
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "rejected", error: "cannot apply network: no such device" });
  expect(await containers.list()).toEqual([]);
});

test("a task that is no longer wanted while it waits for its image is done with at once", async () => {
  images.online = false;
  const task = assigned();
  const runner = run(task);
  await clock.advance(2_000);
  runner.update({ ...task, desiredState: "shutdown" });
  await clock.advance(0);
  expect(states()).not.toContain("ready");
  expect(last()?.state).toBe("shutdown");
  expect(sandboxes.attached.size).toBe(0);
  images.online = true;
  await clock.advance(60_000);
  expect(await containers.list()).toEqual([]);
  expect(last()?.state).toBe("shutdown");
});

test("a daemon that ends leaves the container running, and the next one goes on with it", async () => {
  const task = assigned();
  const found = await earlierRun(task);
  expect(found.status).toBe("running");
  const runner = run(task, found);
  await clock.advance(0);
  expect(states()).toEqual(["running"]);
  expect(last()?.container).toMatchObject({ id: found.id, pid: found.pid });
  expect(sandboxes.attached).toEqual(new Set(["web-1"]));
  containers.exit(found.id, 1);
  await clock.advance(0);
  expect(last()?.state).toBe("failed");
  runner.remove();
  await runner.finished;
});

test("a daemon that ends while a container has its grace leaves the rest to the next one", async () => {
  const task = assigned();
  const earlier = run(task);
  await clock.advance(0);
  earlier.update({ ...task, desiredState: "shutdown" });
  await clock.advance(1_000);
  earlier.abandon();
  await earlier.finished;
  expect(last()?.state).toBe("running");
  run({ ...task, desiredState: "shutdown" }, await theOnly());
  await clock.advance(10_000);
  expect(last()).toMatchObject({ state: "shutdown" });
  expect((await theOnly()).status).toBe("stopped");
});

test("a container that ended while no daemon was there is told with its exit code", async () => {
  const task = assigned();
  const { id } = await earlierRun(task);
  containers.exit(id, 5);
  run(task, await theOnly());
  await clock.advance(0);
  expect(states()).toEqual(["failed"]);
  expect(last()?.container).toMatchObject({ id, exitCode: 5 });
});

test("a container that was made and not started is started", async () => {
  const task = assigned([], "ready");
  const found = await earlierRun(task);
  expect(found.status).toBe("created");
  run({ ...task, desiredState: "running" }, found);
  await clock.advance(0);
  expect(states()).toEqual(["accepted", "preparing", "ready", "starting", "running"]);
  expect(await containers.list()).toHaveLength(1);
});

test("a found container that is no longer wanted is stopped", async () => {
  const task = assigned(sh('trap "exit 0" TERM; serve'));
  const found = await earlierRun(task);
  run({ ...task, desiredState: "shutdown" }, found);
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "shutdown", container: { id: found.id } });
  expect((await theOnly()).status).toBe("stopped");
});

test("a found container whose network cannot be had again does not run on without it", async () => {
  const task = assigned(sh('trap "exit 0" TERM; serve'));
  const found = await earlierRun(task);
  sandboxes.failing = new Fault("internal", "cannot apply network: no such device");
  run(task, found);
  await clock.advance(0);
  expect(last()).toMatchObject({ state: "failed", error: "cannot apply network: no such device" });
  expect((await theOnly()).status).toBe("stopped");
});

test("a runtime that is closed or away ends no task", async () => {
  const wait = containers.wait.bind(containers);
  let away = 3;
  containers.wait = async (id, signal) => {
    if (away-- > 0) throw new Fault("unavailable", "the runtime is closed");
    return wait(id, signal);
  };
  run(assigned());
  await clock.advance(10_000);
  expect(last()?.state).toBe("running");
  containers.exit((await theOnly()).id, 0);
  await clock.advance(0);
  expect(last()?.state).toBe("complete");
});

test("removing goes on until the part that is away is back", async () => {
  const runner = run(assigned(sh("exit 0")));
  await clock.advance(0);
  const remove = containers.remove.bind(containers);
  let away = 3;
  containers.remove = async (id) => {
    if (away-- > 0) throw new Fault("unavailable", "containerd is not there");
    return remove(id);
  };
  runner.remove();
  await clock.advance(2_000);
  expect(await containers.list()).toHaveLength(1);
  await clock.advance(1_000);
  await runner.finished;
  expect(await containers.list()).toEqual([]);
});

const WANTS: readonly DesiredState[] = ["ready", "running", "shutdown", "remove"];

/** What may happen to a task, in any order. */
const events = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("want" as const),
      to: fc.constantFrom<DesiredState>("running", "shutdown", "remove"),
    }),
    fc.record({ kind: fc.constant("exit" as const), code: fc.constantFrom(0, 1, 137) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 500, 20_000) }),
    fc.record({ kind: fc.constant("online" as const), is: fc.boolean() }),
    fc.record({ kind: fc.constant("restart" as const) }),
    fc.record({ kind: fc.constant("fault" as const), at: fc.constantFrom("create", "start", "attach") }),
  ),
  { maxLength: 12 },
);

test("whatever happens, states only move forward and nothing is left when the task is gone", async () => {
  await fc.assert(
    fc.asyncProperty(events, async (steps) => {
      clock = new FakeClock();
      containers = new FakeContainers({ images, clock });
      sandboxes = new FakeSandboxes();
      images.online = true;
      reported = [];
      let task = assigned([], "ready");
      let runner = run(task);
      let before: TaskState = "new";
      for (const step of steps) {
        if (step.kind === "want" && WANTS.indexOf(step.to) > WANTS.indexOf(task.desiredState)) {
          task = { ...task, desiredState: step.to };
          runner.update(task);
        }
        if (step.kind === "exit")
          for (const { id } of await containers.list()) containers.exit(id, step.code);
        if (step.kind === "pass") await clock.advance(step.ms);
        if (step.kind === "online") images.online = step.is;
        if (step.kind === "fault") {
          const fault = new Fault("internal", "broken");
          if (step.at === "attach") sandboxes.failing = fault;
          else containers.failing[step.at as "create" | "start"] = fault;
        }
        if (step.kind === "restart") {
          runner.abandon();
          await runner.finished;
          const [found] = await containers.list();
          reported = [];
          before = "new";
          runner = run(task, found);
        }
        for (const { state } of reported) {
          expect(stateRank(state)).toBeGreaterThanOrEqual(stateRank(before));
          before = state;
        }
        reported = [];
      }
      runner.remove();
      images.online = true;
      await clock.advance(60_000);
      await runner.finished;
      expect(await containers.list()).toEqual([]);
      expect(sandboxes.attached.size).toBe(0);
    }),
    { numRuns: 150 },
  );
});
