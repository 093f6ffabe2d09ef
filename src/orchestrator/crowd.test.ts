import fc from "fast-check";
import { expect, test } from "vitest";
import type { GenericResource, Node, Task } from "../model/index.ts";
import { aNode, aRunning, aService, aTaskSpec, T0 } from "../model/objects.fake.ts";
import { Draft, LiveView } from "../store/index.ts";
import { HELD, isCrowdedOut } from "./crowd.ts";

function aHolder(slot: number, nanoCpus: number, rest: Partial<Task> = {}): Task {
  const reservations = { nanoCpus, memoryBytes: 0, generic: [{ kind: "gpu", count: 1 }] };
  const spec = { ...aTaskSpec, resources: { ...aTaskSpec.resources, reservations } };
  return aRunning(aService("web"), slot, "n1", { spec, createdAt: T0 + slot, ...rest });
}

function nodeWith(nanoCpus: number, generic: readonly GenericResource[]): Node {
  const node = aNode("n1");
  const resources = { nanoCpus, memoryBytes: 0, generic };
  return { ...node, ...(node.description && { description: { ...node.description, resources } }) };
}

test("the youngest must go, and who fits beside the older ones may stay", () => {
  const view = new LiveView();
  const tasks = [aHolder(1, 2), aHolder(2, 2), aHolder(3, 1)];
  for (const task of tasks) view.put("task", task);
  const out = (node: Node) => tasks.filter((task) => isCrowdedOut(view, node, task)).map(({ slot }) => slot);
  const gpus = [{ kind: "gpu", count: 3 }];
  expect(out(nodeWith(5, gpus))).toEqual([]);
  expect(out(nodeWith(4, gpus))).toEqual([3]);
  expect(out(nodeWith(3, gpus))).toEqual([2]);
  expect(out(nodeWith(0, gpus))).toEqual([1, 2, 3]);
  expect(out(nodeWith(5, [{ kind: "gpu", count: 0 }]))).toEqual([1, 2, 3]);
});

test("who holds a name that is gone must go, and who stops pushes nobody out", () => {
  const view = new LiveView();
  const [a, b] = [
    aHolder(1, 1, { generic: [{ kind: "gpu", id: "a" }] }),
    aHolder(2, 1, { generic: [{ kind: "gpu", id: "b" }] }),
  ];
  view.put("task", a);
  view.put("task", b);
  const node = nodeWith(1, [
    { kind: "gpu", id: "b" },
    { kind: "gpu", id: "c" },
  ]);
  expect([a, b].map((task) => isCrowdedOut(view, node, task))).toEqual([true, false]);
  const draft = new Draft(view);
  draft.write([{ op: "put", kind: "task", object: { ...a, desiredState: "shutdown" } }]);
  expect(isCrowdedOut(draft, nodeWith(1, [{ kind: "gpu", id: "b" }]), b)).toBe(false);
});

const step = fc.record({
  slot: fc.integer({ min: 1, max: 4 }),
  gone: fc.boolean(),
  state: fc.constantFrom("pending" as const, "running" as const, "failed" as const),
  desiredState: fc.constantFrom("running" as const, "shutdown" as const),
  generic: fc.constantFrom<readonly GenericResource[]>(
    [{ kind: "gpu", count: 1 }],
    [{ kind: "gpu", id: "a" }],
  ),
});

test("what was kept step by step answers as what is counted afresh", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const [view, node] = [
        new LiveView(),
        nodeWith(4, [
          { kind: "gpu", count: 2 },
          { kind: "gpu", id: "a" },
        ]),
      ];
      view.derive(HELD);
      for (const { slot, gone, state, ...rest } of steps) {
        const task = aHolder(slot, slot, { ...rest, status: { at: T0, state, message: "" } });
        if (gone) view.delete("task", task.id);
        else view.put("task", task);
        const fresh = new LiveView();
        for (const each of view.all("task")) fresh.put("task", each);
        expect(view.derive(HELD).get("n1")).toEqual(fresh.derive(HELD).get("n1"));
        for (const each of view.all("task")) {
          expect(isCrowdedOut(view, node, each)).toBe(isCrowdedOut(fresh, node, each));
        }
      }
    }),
    { numRuns: 50 },
  );
});
