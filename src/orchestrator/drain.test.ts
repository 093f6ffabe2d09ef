import { describe, expect, test } from "vitest";
import { DEFAULT_UPDATE, type Node, type Plan, type Service, type Task } from "../model/index.ts";
import { aNode, aRunning, aService, aTask, aTaskSpec, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { planReplicated } from "./replicated.ts";

const drained = aNode("n1", { spec: { role: "worker", labels: {}, availability: "drain" } });
const nodes = [drained, aNode("n2")];
const startFirst = { update: { ...DEFAULT_UPDATE, order: "start-first" as const } };
const web = aService("web", startFirst);
const old = aRunning(web, 1, "n1", { createdAt: T0 - 99 });
const next = (rest: Partial<Task>) => aRunning(web, 1, "n2", { id: "next", createdAt: T0 - 9, ...rest });
const failed = { status: { at: T0, state: "failed", message: "" } } as const;

function plan(service: Service, tasks: Task[], at: Node[] = nodes): Plan {
  const view = viewOf({ service: [service], task: tasks, node: at });
  return planReplicated(view, service, { now: T0, newId: countingIds() });
}

function lines({ changes }: Plan): string[] {
  return changes.map((change) => {
    if (change.op !== "put" || change.kind !== "task") return change.kind;
    const { id, desiredState, notBefore, after, status } = change.object;
    const wait = notBefore === undefined ? "" : ` not before +${notBefore - T0}`;
    const error = status.error === undefined ? "" : ` (${status.error})`;
    return `${id} ${desiredState}${wait}${after === undefined ? "" : ` after ${after}`}${error}`;
  });
}

describe("a drained node", () => {
  test("loses the task at once when the service stops old tasks first", () => {
    const plain = aService("web");
    expect(lines(plan(plain, [old]))).toEqual(["web-1 shutdown", "id-1 ready not before +0 after web-1"]);
  });

  test("keeps the task of a start-first service until its successor runs elsewhere", () => {
    expect(lines(plan(web, [old]))).toEqual(["id-1 running"]);
    const waiting = next({ status: { at: T0, state: "preparing", message: "" } });
    expect(lines(plan(web, [old, waiting]))).toEqual([]);
    expect(lines(plan(web, [old, next({})]))).toEqual(["web-1 shutdown"]);
  });

  test("keeps it as long as nobody has a place for the successor", () => {
    const nowhere = aTask(web, 1, {
      id: "next",
      status: { at: T0, state: "pending", message: "", error: "no suitable node" },
    });
    expect(lines(plan(web, [old, nowhere]))).toEqual([]);
  });

  test("a successor that fails is followed after the restart delay, while the old task runs on", () => {
    expect(lines(plan(web, [old, next(failed)]))).toEqual([
      "next shutdown",
      "id-1 ready not before +5000 after next",
    ]);
  });

  test("when the successor failed for good the old task runs on", () => {
    const task = { ...aTaskSpec, restart: { ...aTaskSpec.restart, condition: "none" as const } };
    const once = aService("web", { ...startFirst, task });
    const tried = next({ ...failed, spec: task });
    const runs = { ...old, spec: task };
    expect(lines(plan(once, [runs, tried]))).toEqual(["next shutdown"]);
    expect(lines(plan(once, [runs, { ...tried, desiredState: "shutdown" }]))).toEqual([]);
  });

  test("what does not run yet has nothing to lose", () => {
    const starting: Task = { ...old, status: { at: T0, state: "starting", message: "" } };
    expect(lines(plan(web, [starting]))).toEqual(["web-1 shutdown", "id-1 ready not before +0 after web-1"]);
  });

  test("taken back, the drain leaves the old task and gives the successor up", () => {
    const waiting = next({ status: { at: T0, state: "preparing", message: "" } });
    expect(lines(plan(web, [old, waiting], [aNode("n1"), aNode("n2")]))).toEqual(["next shutdown"]);
  });

  test("a node that dies while it is drained is followed at once", () => {
    const dead = { ...drained, status: { ...drained.status, state: "down" as const } };
    expect(lines(plan(web, [old], [dead, aNode("n2")]))).toEqual([
      "web-1 shutdown",
      "id-1 ready not before +0 after web-1",
    ]);
  });
});

describe("a node that changed", () => {
  const words = "(assigned node no longer meets constraints)";
  const constraints = ["node.labels.disk==ssd"];
  const task = { ...aTaskSpec, placement: { ...aTaskSpec.placement, constraints } };
  const picky = aService("web", { task });

  test("is left by a task whose constraints it no longer meets", () => {
    const other = aNode("n1");
    expect(lines(plan(picky, [aRunning(picky, 1, "n1")], [other]))).toEqual([
      `web-1 shutdown ${words}`,
      "id-1 ready not before +0 after web-1",
    ]);
    const same = aNode("n1", { spec: { role: "worker", labels: { disk: "ssd" }, availability: "active" } });
    expect(lines(plan(picky, [aRunning(picky, 1, "n1")], [same]))).toEqual([]);
  });

  test("is left only after the successor runs when the service asks for new tasks first", () => {
    const soft = aService("web", { ...startFirst, task });
    const runs = aRunning(soft, 1, "n1", { createdAt: T0 - 99 });
    const ssd = aNode("n2", { spec: { role: "worker", labels: { disk: "ssd" }, availability: "active" } });
    expect(lines(plan(soft, [runs], [aNode("n1"), ssd]))).toEqual(["id-1 running"]);
    const there = aRunning(soft, 1, "n2", { id: "next" });
    expect(lines(plan(soft, [runs, there], [aNode("n1"), ssd]))).toEqual([`web-1 shutdown ${words}`]);
  });

  test("keeps what it has while it is paused", () => {
    const paused = aNode("n1", { spec: { role: "worker", labels: {}, availability: "pause" } });
    expect(lines(plan(picky, [aRunning(picky, 1, "n1")], [paused]))).toEqual([]);
  });

  test("with less to give keeps the tasks that were there first", () => {
    const reservations = { nanoCpus: 0, memoryBytes: 4e9, generic: [] };
    const big = { ...aTaskSpec, resources: { ...aTaskSpec.resources, reservations } };
    const fat = aService("web", { task: big, mode: { kind: "replicated", replicas: 2 } });
    const tasks = [aRunning(fat, 1, "n1"), aRunning(fat, 2, "n1", { createdAt: T0 - 9 })];
    const less = aNode("n1");
    const { description } = less;
    if (description === undefined) throw new Error("a node without description");
    const shrunk = {
      ...less,
      description: { ...description, resources: { nanoCpus: 4e9, memoryBytes: 6e9, generic: [] } },
    };
    expect(lines(plan(fat, tasks, [less]))).toEqual([]);
    expect(lines(plan(fat, tasks, [shrunk]))).toEqual([
      `web-1 shutdown ${words}`,
      "id-1 ready not before +0 after web-1",
    ]);
  });

  test("that is too small for one task has room for a smaller one behind it", () => {
    const needs = (memoryBytes: number) => ({
      ...aTaskSpec,
      resources: { ...aTaskSpec.resources, reservations: { nanoCpus: 0, memoryBytes, generic: [] } },
    });
    const both = aService("web", { mode: { kind: "replicated", replicas: 2 } });
    const big = aRunning(both, 1, "n1", { spec: needs(9e9), createdAt: T0 - 9 });
    const small = aRunning(both, 2, "n1", { spec: needs(1e9) });
    expect(lines(plan(both, [big, small], [aNode("n1")]))).not.toContain(`web-2 shutdown ${words}`);
    expect(lines(plan(both, [big, small], [aNode("n1")]))).toContain(`web-1 shutdown ${words}`);
  });

  test("without a named resource is left by the task that holds it", () => {
    const plain = aService("web");
    const { description } = aNode("n1");
    if (description === undefined) throw new Error("a node without description");
    const generic = [
      { kind: "gpu", id: "a" },
      { kind: "ssd", count: 2 },
    ];
    const node = aNode("n1", {
      description: { ...description, resources: { ...description.resources, generic } },
    });
    const holding = (...held: Task["generic"] & object) => {
      const wanted = held.map((each) => ({ kind: each.kind, count: "count" in each ? each.count : 1 }));
      const reservations = { ...aTaskSpec.resources.reservations, generic: wanted };
      const spec = { ...aTaskSpec, resources: { ...aTaskSpec.resources, reservations } };
      return aRunning(plain, 1, "n1", { spec, generic: held });
    };
    expect(
      lines(plan(plain, [holding({ kind: "gpu", id: "a" }, { kind: "ssd", count: 2 })], [node])),
    ).toEqual([]);
    for (const held of [
      { kind: "gpu", id: "b" },
      { kind: "ssd", count: 3 },
    ]) {
      expect(lines(plan(plain, [holding(held)], [node]))[0]).toBe(`web-1 shutdown ${words}`);
    }
  });
});
