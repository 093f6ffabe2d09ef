import { describe, expect, test } from "vitest";
import type { Change, Plan, Service, Task, TaskState } from "../model/index.ts";
import { aNode, aRunning, aService, aTask, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { reapService } from "./reaper.ts";
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
  if (desiredState === "shutdown" || desiredState === "remove")
    return `task ${id} slot ${slot} ${desiredState}`;
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

  test("gives up what does not run yet before what runs", () => {
    const web = aService("web");
    const tasks = [aRunning(web, 1, "n1", ended("starting")), aRunning(web, 2, "n1")];
    expect(lines(plan(web, tasks))).toEqual(["task web-1 slot 1 remove"]);
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
    const restarts = [T0 + 1];
    const second = aRunning(web, 1, "n1", { id: "second", createdAt: T0 + 1, restarts, ...ended("failed") });
    expect(lines(plan(web, [first, second]))).toEqual(["task second slot 1 shutdown"]);
    expect(plan(web, [first, { ...second, desiredState: "shutdown" }]).changes).toEqual([]);
  });
});

describe("lost tasks", () => {
  const drained = aNode("n1", { spec: { labels: {}, role: "worker", availability: "drain" } });
  const down = (id: string) => aNode(id, { status: { state: "down", message: "", address: "" } });
  const waiting = (web: Service, rest: Partial<Task> = {}) =>
    aTask(web, 1, {
      id: "next",
      nodeId: "n1",
      createdAt: T0 + 1,
      desiredState: "ready",
      notBefore: T0 + 5000,
      after: "web-1",
      ...rest,
    });

  test("one that ends while it is held back is not chased: its successor waits for the same instant", () => {
    const web = aService("web");
    const first = aRunning(web, 1, "n1", { ...ended("rejected"), desiredState: "shutdown" });
    const next = waiting(web, ended("rejected", T0 + 100));
    const early = plan(web, [first, next], T0 + 200);
    expect([early.changes, early.again]).toEqual([[], T0 + 5000]);
    expect(lines(plan(web, [first, next], T0 + 5000))).toEqual([
      "task next slot 1 shutdown",
      "task id-1 slot 1 ready not before +10000 after web-1",
    ]);
  });

  test("one without a place is not let go before a predecessor on a host that may come back, but for a minute", () => {
    const web = aService("web");
    const old = aRunning(web, 1, "n1", { desiredState: "shutdown" });
    const { nodeId: _, ...next } = waiting(web, {
      notBefore: T0,
      status: { at: T0, state: "pending", message: "" },
    });
    const at = (now: number, task: Task, n1 = down("n1")) => plan(web, [old, task], now, [n1, aNode("n2")]);
    expect([at(T0 + 200, next).changes, at(T0 + 200, next).again]).toEqual([[], T0 + 1 + 60_000]);
    expect(at(T0 + 200, { ...next, nodeId: "n1" }, aNode("n1")).changes).toEqual([]);
    expect(lines(at(T0 + 200, { ...next, nodeId: "n2" }))).toHaveLength(1);
    expect(lines(at(T0 + 1 + 60_000, next))).toHaveLength(1);
    expect(lines(plan(web, [old, next], T0 + 200, [aNode("n2")]))).toHaveLength(1);
  });

  test("a waiting one whose node goes hands on what it waited for", () => {
    const web = aService("web");
    const first = aRunning(web, 1, "n2", { desiredState: "shutdown" });
    for (const n1 of [drained, down("n1")]) {
      expect(lines(plan(web, [first, waiting(web)], T0 + 200, [n1, aNode("n2")]))).toEqual([
        "task next slot 1 shutdown",
        "task id-1 slot 1 ready not before +5000 after web-1",
      ]);
    }
  });

  test("a task that finished for good is not run again because its node is drained", () => {
    const base = aService("web");
    const web = aService("web", {
      task: { ...base.spec.task, restart: { ...base.spec.task.restart, condition: "on-failure" } },
    });
    const done = aRunning(web, 1, "n1", { ...ended("complete"), desiredState: "shutdown" });
    expect(plan(web, [done], T0, [drained]).changes).toEqual([]);
  });

  test.each(["none", "on-failure"] as const)(
    "losing its node is no fault of a task: condition %s",
    (condition) => {
      const base = aService("web");
      const restart = { ...base.spec.task.restart, condition, maxAttempts: 1 };
      const web = aService("web", { task: { ...base.spec.task, restart } });
      for (const at of [[drained, aNode("n2")], [down("n1"), aNode("n2")], [aNode("n2")]]) {
        expect(plan(web, [aRunning(web, 1, "n1")], T0, at).changes).toHaveLength(2);
      }
      const orphaned = aRunning(web, 1, "gone", ended("orphaned"));
      expect(plan(web, [orphaned], T0).changes).toHaveLength(2);
    },
  );

  test("a successor goes at once when the node of its predecessor is down, else after a minute at most", () => {
    const web = aService("web");
    const first = aRunning(web, 1, "n2", { desiredState: "shutdown" });
    const next = waiting(web, { notBefore: T0, createdAt: T0 });
    expect(lines(plan(web, [first, next], T0 + 1, [aNode("n1"), down("n2")]))).toEqual([
      "task next slot 1 running not before +0 after web-1",
    ]);
    const patient = plan(web, [first, next], T0 + 1);
    expect([patient.changes, patient.again]).toEqual([[], T0 + 60_000]);
    expect(plan(web, [first, next], T0 + 60_000).changes).toHaveLength(1);
  });

  test("a node that comes back keeps only the tasks that are still wanted", () => {
    const web = aService("web");
    const old = aRunning(web, 1, "n1", { desiredState: "shutdown" });
    const heir = aRunning(web, 1, "n2", { id: "heir", createdAt: T0 + 1 });
    expect(plan(web, [old, heir]).changes).toEqual([]);
  });

  test("of two wanted tasks in a slot that are both lost, one is followed", () => {
    const web = aService("web");
    const two = [aRunning(web, 1, "n1"), aRunning(web, 1, "n2", { id: "second", createdAt: T0 + 1 })];
    expect(lines(plan(web, two, T0, [down("n1"), down("n2")]))).toEqual([
      "task second slot 1 shutdown",
      "task id-1 slot 1 ready not before +0 after second",
      "task web-1 slot 1 shutdown",
    ]);
  });

  test("restarts count within the window only", () => {
    const base = aService("web");
    const restart = { ...base.spec.task.restart, maxAttempts: 1, windowMs: 60_000 };
    const web = aService("web", { task: { ...base.spec.task, restart } });
    const first = aRunning(web, 1, "n1", { ...ended("failed"), desiredState: "shutdown" });
    const second = (at: number) =>
      aRunning(web, 1, "n1", {
        id: "second",
        createdAt: T0 + 5000,
        restarts: [T0 + 5000],
        ...ended("failed", at),
        endedAt: at,
      });
    expect(plan(web, [first, second(T0 + 10_000)], T0 + 10_000).changes).toHaveLength(1);
    expect(plan(web, [first, second(T0 + 100_000)], T0 + 100_000).changes).toHaveLength(2);
  });
});

describe("reapService()", () => {
  const reap = (services: Service[], tasks: Task[], at = nodes) => {
    const view = viewOf({ service: services, task: tasks, node: at });
    return reapService(view, "svc-web", { now: T0, newId: countingIds() }).changes.map(line);
  };

  test("tells tasks of a removed service to go, and deletes what cannot run any more", () => {
    const web = aService("web");
    expect(reap([], [aRunning(web, 1, "n1"), aTask(web, 2), aRunning(web, 3, "gone")])).toEqual([
      "task web-1 slot 1 remove",
      "delete task web-2",
      "delete task web-3",
    ]);
    expect(reap([], [aRunning(web, 1, "n1", { desiredState: "remove" })])).toEqual([]);
    expect(reap([], [aRunning(web, 1, "n1", { desiredState: "remove", ...ended("shutdown") })])).toEqual([
      "delete task web-1",
    ]);
  });

  test("keeps five a slot", () => {
    const history = (web: Service) =>
      Array.from({ length: 9 }, (_, i) =>
        aRunning(web, 1, "n1", {
          id: `old-${i}`,
          createdAt: T0 - i,
          desiredState: "shutdown",
          ...ended("failed"),
        }),
      );
    const web = aService("web");
    expect(reap([web], history(web))).toEqual([5, 6, 7, 8].map((i) => `delete task old-${i}`));
    const running = history(web).map((task) => ({
      ...task,
      status: { ...task.status, state: "running" as const },
    }));
    expect(reap([web], running)).toEqual([]);
  });

  test("orphans the tasks of a removed node, so that they end", () => {
    const web = aService("web");
    const [change] = reapService(viewOf({ service: [web], task: [aRunning(web, 1, "gone")] }), web.id, {
      now: T0,
      newId: countingIds(),
    }).changes;
    expect(change).toMatchObject({ object: { status: { state: "orphaned" }, desiredState: "running" } });
  });
});

describe("isDirty()", () => {
  const base = aService("web");
  const withAuth = (registryAuth: string) => ({
    ...base.spec.task,
    container: { ...base.spec.task.container, registryAuth },
  });
  const renewed: Service = { ...base, specVersion: 5, spec: { ...base.spec, task: withAuth("new") } };

  test("new credentials touch only tasks that still need their image", () => {
    const task = (state: TaskState) => aRunning(base, 1, "n1", { spec: withAuth("old"), ...ended(state) });
    expect(plan(renewed, [task("running")]).changes).toEqual([]);
    expect(lines(plan(renewed, [task("preparing")]))).toContain("task web-1 slot 1 shutdown");
  });

  test("a change of published ports makes new tasks", () => {
    const port = { name: "", protocol: "tcp", target: 80, published: 80, publishMode: "ingress" } as const;
    const service: Service = {
      ...base,
      specVersion: 5,
      spec: { ...base.spec, endpoint: { mode: "vip", ports: [port] } },
    };
    expect(lines(plan(service, [aRunning(base, 1, "n1")]))[0]).toBe("service updating");
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
        replaces: `web-${slot}`,
        ...ended(state, T0 + 10),
      });
    const [, two, tri] = running;
    expect(lines(plan(web, [fresh(1, "starting"), two!, tri!], T0 + 10))).toEqual([]);
    expect(lines(plan(web, [fresh(1, "running"), two!, tri!], T0 + 10))[0]).toBe(
      "task web-2 slot 2 shutdown",
    );
    const done = [1, 2, 3].map((slot) => fresh(slot, "running"));
    expect(plan(web, done, T0 + 20).again).toBe(T0 + 5010);
    expect(lines(plan(web, done, T0 + 5010))).toEqual(["service completed"]);
  });

  test("a slot whose task is lost is mended with the new words, and not taken besides", () => {
    const down = aNode("n1", { status: { state: "down", message: "", address: "" } });
    const at = [down, aNode("n2"), aNode("n3")];
    expect(lines(plan(updated(), running, T0, at))).toEqual([
      "service updating",
      "task web-1 slot 1 shutdown",
      "task id-1 slot 1 ready not before +0 after web-1",
      "task web-2 slot 2 shutdown",
      "task id-2 slot 2 ready after web-2",
    ]);
  });

  test("the new task waits for the one that runs, when an older update left two in a slot", () => {
    const half = aTask(base, 1, {
      id: "half",
      createdAt: T0 + 1,
      nodeId: "n2",
      spec: { ...newTaskSpec, forceUpdate: 9 },
    });
    const found = lines(plan(updated(), [half, ...running]));
    expect(found.filter((l) => l.includes("slot 1"))).toEqual([
      "task half slot 1 shutdown",
      "task web-1 slot 1 shutdown",
      "task id-1 slot 1 ready after web-1",
    ]);
  });

  test("pauses when an updated task fails within the monitor time", () => {
    const web = updated({ updateStatus: { state: "updating", startedAt: T0, message: "" } });
    const failed = aRunning(web, 1, "n1", {
      id: "bad",
      specVersion: 5,
      replaces: "web-1",
      desiredState: "shutdown",
      ...ended("failed", T0 + 100),
    });
    const retry = aTask(web, 1, { id: "retry", specVersion: 5, createdAt: T0 + 101 });
    const p = plan(web, [failed, retry, running[1]!, running[2]!], T0 + 200);
    expect(lines(p)).toEqual(["service paused"]);
  });
});
