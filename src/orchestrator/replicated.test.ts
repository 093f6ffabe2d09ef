import { describe, expect, test } from "vitest";
import type { Change, Plan, Service, Task, TaskState } from "../model/index.ts";
import { aNode, aRunning, aService, aTask, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { planReplicated } from "./replicated.ts";

const three: Partial<Service["spec"]> = { mode: { kind: "replicated", replicas: 3 } };
const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];

function plan(service: Service, tasks: Task[], now = T0, at = nodes): Plan {
  const view = viewOf({ service: [service], task: tasks, node: at });
  return planReplicated(view, service, { now, newId: countingIds() });
}

/** A change as one line a colleague would read. */
function line(change: Change): string {
  if (change.op === "delete") return `delete ${change.kind} ${change.id}`;
  if (change.kind === "service") return `service ${change.object.updateStatus?.state}`;
  if (change.kind !== "task") return change.kind;
  const { id, slot, desiredState, notBefore, after } = change.object;
  const wait = notBefore === undefined ? "" : ` not before +${notBefore - T0}`;
  return `task ${id} slot ${slot} ${desiredState}${wait}${after === undefined ? "" : ` after ${after}`}`;
}

const lines = (p: Plan) => p.changes.map(line);
const ended = (state: TaskState, at = T0) => ({ status: { at, state, message: "" } });

describe("planReplicated()", () => {
  test("makes tasks for the missing slots, lowest first", () => {
    const web = aService("web", three);
    expect(lines(plan(web, [aRunning(web, 2, "n1")]))).toEqual([
      "task id-1 slot 1 running",
      "task id-2 slot 3 running",
    ]);
  });

  test("gives up slots of the most crowded node first", () => {
    const web = aService("web", { mode: { kind: "replicated", replicas: 2 } });
    const tasks = [aRunning(web, 1, "n1"), aRunning(web, 2, "n1"), aRunning(web, 3, "n2")];
    expect(lines(plan(web, tasks))).toEqual(["task web-2 slot 2 remove"]);
  });

  test("replaces a failed task after its delay, in its slot", () => {
    const web = aService("web");
    expect(lines(plan(web, [aRunning(web, 1, "n1", ended("failed"))]))).toEqual([
      "task web-1 slot 1 shutdown",
      "task id-1 slot 1 ready not before +5000 after web-1",
    ]);
  });

  test("replaces tasks of a dead or drained node at once", () => {
    const web = aService("web");
    const down = [aNode("n1", { status: { state: "down", message: "", address: "" } }), aNode("n2")];
    const drained = [
      aNode("n1", { spec: { labels: {}, role: "worker", availability: "drain" } }),
      aNode("n2"),
    ];
    for (const at of [down, drained]) {
      expect(lines(plan(web, [aRunning(web, 1, "n1")], T0, at))).toEqual([
        "task web-1 slot 1 shutdown",
        "task id-1 slot 1 ready not before +0 after web-1",
      ]);
    }
  });

  test("lets a waiting task go when its delay is over and its predecessor stopped", () => {
    const web = aService("web");
    const old = aRunning(web, 1, "n1", { ...ended("failed"), desiredState: "shutdown" });
    const next = aTask(web, 1, {
      id: "next",
      createdAt: T0 + 1,
      desiredState: "ready",
      notBefore: T0 + 5000,
      after: "web-1",
    });
    const early = plan(web, [old, next], T0 + 4000);
    expect(early.changes).toEqual([]);
    expect(early.again).toBe(T0 + 5000);
    expect(lines(plan(web, [old, next], T0 + 5000))).toEqual([
      "task next slot 1 running not before +5000 after web-1",
    ]);
  });

  test.each([
    ["none", "complete", 1],
    ["none", "failed", 1],
    ["on-failure", "complete", 1],
    ["on-failure", "failed", 2],
    ["any", "complete", 2],
  ] as const)("condition %s and a task that is %s: %i change(s)", (condition, state, changes) => {
    const base = aService("web");
    const task = { ...base.spec.task, restart: { ...base.spec.task.restart, condition } };
    const web = aService("web", { task });
    expect(plan(web, [aRunning(web, 1, "n1", ended(state))]).changes.length).toBe(changes);
  });

  test("stops restarting after max attempts, and does not fill the slot again", () => {
    const base = aService("web");
    const web = aService("web", {
      task: { ...base.spec.task, restart: { ...base.spec.task.restart, maxAttempts: 1 } },
    });
    const first = aRunning(web, 1, "n1", { ...ended("failed"), desiredState: "shutdown" });
    const second = aRunning(web, 1, "n1", { id: "second", createdAt: T0 + 1, ...ended("failed") });
    expect(lines(plan(web, [first, second]))).toEqual(["task second slot 1 shutdown"]);
    expect(plan(web, [first, { ...second, desiredState: "shutdown" }]).changes).toEqual([]);
  });
});

describe("rolling update", () => {
  const base = aService("web", three);
  const running = [1, 2, 3].map((slot) => aRunning(base, slot, `n${slot}`));
  const newTaskSpec = { ...base.spec.task, forceUpdate: 1 };
  const updated = (rest: Partial<Service> = {}): Service => ({
    ...base,
    version: 5,
    specVersion: 5,
    spec: { ...base.spec, task: newTaskSpec },
    previousSpec: base.spec,
    ...rest,
  });

  test("takes one slot at a time, the old task first", () => {
    expect(lines(plan(updated(), running))).toEqual([
      "service updating",
      "task web-1 slot 1 shutdown",
      "task id-1 slot 1 ready after web-1",
    ]);
  });

  test("leaves tasks alone when only replicas or labels changed", () => {
    const service: Service = { ...base, specVersion: 5, spec: { ...base.spec, labels: { a: "b" } } };
    expect(plan(service, running).changes).toEqual([]);
  });

  test("start-first keeps the old task until the new one runs", () => {
    const update = {
      parallelism: 1,
      delayMs: 0,
      failureAction: "pause",
      monitorMs: 5000,
      maxFailureRatio: 0,
      order: "start-first",
    } as const;
    const web = updated({ spec: { ...base.spec, task: newTaskSpec, update } });
    expect(lines(plan(web, running))).toEqual(["service updating", "task id-1 slot 1 running"]);
    const status = { state: "updating", startedAt: T0, message: "" } as const;
    const fresh = aRunning(web, 1, "n1", { id: "fresh", specVersion: 5, createdAt: T0 + 1 });
    expect(lines(plan({ ...web, updateStatus: status }, [...running, fresh]))).toContain(
      "task web-1 slot 1 shutdown",
    );
  });

  test("waits for the slot in flight, then takes the next, then completes after the monitor time", () => {
    const web = updated({ updateStatus: { state: "updating", startedAt: T0, message: "" } });
    const fresh = (slot: number, state: TaskState) =>
      aRunning(web, slot, `n${slot}`, {
        id: `fresh-${slot}`,
        specVersion: 5,
        createdAt: T0,
        ...ended(state, T0 + 10),
      });
    const [, two, tri] = running;
    expect(lines(plan(web, [fresh(1, "starting"), two!, tri!]))).toEqual([]);
    expect(lines(plan(web, [fresh(1, "running"), two!, tri!]))[0]).toBe("task web-2 slot 2 shutdown");
    const done = [1, 2, 3].map((slot) => fresh(slot, "running"));
    expect(plan(web, done, T0 + 20).again).toBe(T0 + 5010);
    expect(lines(plan(web, done, T0 + 5010))).toEqual(["service completed"]);
  });

  test("pauses when an updated task fails within the monitor time", () => {
    const web = updated({ updateStatus: { state: "updating", startedAt: T0, message: "" } });
    const failed = aRunning(web, 1, "n1", {
      id: "bad",
      specVersion: 5,
      desiredState: "shutdown",
      ...ended("failed", T0 + 100),
    });
    const retry = aTask(web, 1, { id: "retry", specVersion: 5, createdAt: T0 + 101 });
    const p = plan(web, [failed, retry, running[1]!, running[2]!], T0 + 200);
    expect(lines(p)).toEqual(["service paused"]);
  });
});
