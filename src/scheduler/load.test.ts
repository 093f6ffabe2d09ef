import fc from "fast-check";
import { expect, test } from "vitest";
import { type Change, type PortSpec, put, remove, TASK_STATES, type Task } from "../model/index.ts";
import { aService, aTask, T0 } from "../model/objects.fake.ts";
import { Draft, LiveView } from "../store/index.ts";
import { LOADS, type Loads } from "./load.ts";

const NODES = ["n1", "n2", "n3"] as const;

const port: PortSpec = { name: "", protocol: "tcp", target: 80, published: 80, publishMode: "host" };

const task: fc.Arbitrary<Task> = fc
  .record({
    id: fc.integer({ min: 1, max: 8 }),
    node: fc.constantFrom(undefined, ...NODES),
    state: fc.constantFrom(...TASK_STATES),
    desiredState: fc.constantFrom("ready" as const, "running" as const, "shutdown" as const),
    generic: fc.constantFrom([], [{ kind: "gpu", count: 2 }], [{ kind: "gpu", id: "a" }]),
    ago: fc.constantFrom(0, 1_000),
  })
  .map(({ id, node, state, desiredState, generic, ago }) => {
    // A task's words never change: they go by its id.
    const plain = aTask(aService(id % 2 === 0 ? "web" : "api"), 1, { id: `t${id}` });
    const [nanoCpus, isOnPort] = [(id % 3) * 5e8, id % 4 === 0];
    const { resources } = plain.spec;
    const reservations = { ...resources.reservations, nanoCpus };
    return {
      ...plain,
      ...(node !== undefined && { nodeId: node }),
      desiredState,
      status: { at: T0 - ago, state, message: "" },
      spec: { ...plain.spec, resources: { ...resources, reservations } },
      endpoint: { mode: "vip", ports: isOnPort ? [port] : [] },
      ...(generic.length > 0 && { generic }),
    };
  });
const change: fc.Arbitrary<Change> = fc
  .tuple(task, fc.boolean())
  .map(([of, gone]) => (gone ? remove("task", of) : put("task", of)));

function write(view: LiveView, changes: readonly Change[]): void {
  for (const c of changes) {
    if (c.op === "put") view.put("task", c.object as Task);
    else view.delete("task", c.id);
  }
}

function afresh(...changes: (readonly Change[])[]): Loads {
  const view = new LiveView();
  for (const each of changes) write(view, each);
  return view.derive(LOADS);
}

const all = (loads: Loads) => NODES.map((id) => loads.of(id));

test("loads that were kept, in a view and in drafts on it, are those of a count from the start", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 30 }),
      fc.array(change, { maxLength: 10 }),
      fc.array(change, { maxLength: 10 }),
      (first, second, third) => {
        const view = new LiveView();
        view.derive(LOADS);
        write(view, first);
        expect(all(view.derive(LOADS))).toEqual(all(afresh(first)));
        const draft = new Draft(view);
        draft.write(second);
        expect(all(draft.derive(LOADS))).toEqual(all(afresh(first, second)));
        draft.write(third);
        expect(all(draft.derive(LOADS))).toEqual(all(afresh(first, second, third)));
        expect(all(view.derive(LOADS))).toEqual(all(afresh(first)));
      },
    ),
    { numRuns: 300 },
  );
});

test("a stopping task holds what it has, a waiting one nothing, one that ended only its failure", () => {
  const web = aService("web");
  const at = (rest: Partial<Task>) =>
    aTask(web, 1, { nodeId: "n1", endpoint: { mode: "vip", ports: [port] }, ...rest });
  const status = (state: Task["status"]["state"]) => ({ at: T0, state, message: "" });
  const of = (task: Task) => afresh([put("task", task)]).of("n1");
  expect(of(at({ status: status("running") }))).toMatchObject({
    tasks: 1,
    hostPorts: new Map([["tcp/80", 1]]),
  });
  expect(of(at({ status: status("running"), desiredState: "shutdown" }))).toMatchObject({
    tasks: 0,
    hostPorts: new Map([["tcp/80", 1]]),
  });
  expect(of(at({ status: status("pending") }))).toMatchObject({ tasks: 0, hostPorts: new Map() });
  expect(of(at({ status: status("failed") }))).toMatchObject({
    tasks: 0,
    hostPorts: new Map(),
    failures: new Map([["svc-web@1", [T0]]]),
  });
});
