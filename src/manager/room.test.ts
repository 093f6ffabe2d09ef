import fc from "fast-check";
import { expect, test } from "vitest";
import { type GenericResource, isTerminal, isWanted, type Node, type Task } from "../model/index.ts";
import { aCluster, aNode, aService, aTaskSpec, countingIds, T0 } from "../model/objects.fake.ts";
import { LiveView } from "../store/index.ts";
import { planCluster } from "./planner.ts";

const REPLICAS = 4;

const generic: fc.Arbitrary<readonly GenericResource[]> = fc.uniqueArray(
  fc.constantFrom<GenericResource>(
    { kind: "gpu", count: 1 },
    { kind: "gpu", count: 2 },
    { kind: "gpu", id: "a" },
    { kind: "gpu", id: "b" },
    { kind: "fpga", count: 1 },
  ),
);
const resources = fc.record({ nanoCpus: fc.nat(4), memoryBytes: fc.nat(4), generic });
const reservations = fc.record({
  nanoCpus: fc.nat(2),
  memoryBytes: fc.nat(2),
  generic: fc.constantFrom<readonly GenericResource[]>(
    [],
    [{ kind: "gpu", count: 1 }],
    [{ kind: "gpu", count: 2 }],
  ),
});

type Has = NonNullable<Node["description"]>["resources"];

function nodeWith(has: Has): Node {
  const node = aNode("n1");
  return { ...node, ...(node.description && { description: { ...node.description, resources: has } }) };
}

/** What the node does: tasks told to stop have stopped, the others run. */
function obey(task: Task): Task {
  if (task.status.state === "new" || task.status.state === "pending" || isTerminal(task)) return task;
  const state = !isWanted(task) ? "shutdown" : task.desiredState === "ready" ? "ready" : "running";
  return { ...task, status: { at: T0, state, message: "" }, ranAt: T0 };
}

/** Plans and obeys until nothing is left to say. */
function settle(view: LiveView, newId: () => string): void {
  for (let round = 0; round < 12; round++) {
    const { changes } = planCluster(view, { now: T0, newId });
    if (changes.length === 0) return;
    for (const change of changes) {
      if (change.op === "put") view.put(change.kind, change.object);
      else view.delete(change.kind, change.id);
    }
    for (const task of [...view.all("task")]) view.put("task", obey(task));
  }
  expect.unreachable("the plans chase each other");
}

const running = (view: LiveView) => [...view.all("task")].filter((task) => task.status.state === "running");

test("who is placed may stay, and who may not stay is not placed there again, whatever the node comes to have", () => {
  fc.assert(
    fc.property(reservations, resources, resources, (want, first, second) => {
      const task = { ...aTaskSpec, resources: { ...aTaskSpec.resources, reservations: want } };
      const view = new LiveView();
      const newId = countingIds();
      view.put("cluster", aCluster());
      view.put("service", aService("web", { mode: { kind: "replicated", replicas: REPLICAS }, task }));
      view.put("node", nodeWith(first));
      settle(view, newId);
      const before = running(view);
      expect(before.every(isWanted)).toBe(true);
      view.put("node", nodeWith(second));
      settle(view, newId);
      const after = running(view);
      for (const kind of ["nanoCpus", "memoryBytes"] as const) {
        expect(after.length * want[kind]).toBeLessThanOrEqual(second[kind]);
      }
      const names = second.generic.flatMap((each) => ("id" in each ? [each.id] : []));
      const held = after
        .flatMap((each) => each.generic ?? [])
        .flatMap((each) => ("id" in each ? [each.id] : []));
      expect(new Set(held).size).toBe(held.length);
      expect(names).toEqual(expect.arrayContaining(held));
    }),
    { numRuns: 150 },
  );
});
