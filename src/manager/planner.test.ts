import fc from "fast-check";
import { expect, test } from "vitest";
import { stateRank, TASK_STATES, type Task, type TaskState } from "../model/index.ts";
import { aNode } from "../model/objects.fake.ts";
import { newWorld, type World, webService } from "./world.fake.ts";

test("one plan takes a new service all the way to assigned tasks", () => {
  const world = newWorld([aNode("n1"), aNode("n2"), aNode("n3")], [webService(3)]);
  world.write(world.plan().changes);
  expect(world.tasks().map((t) => [t.status.state, t.nodeId, t.attachments.length])).toEqual([
    ["assigned", "n1", 2],
    ["assigned", "n2", 2],
    ["assigned", "n3", 2],
  ]);
  expect(world.view.get("service", "svc-web")?.endpoint?.ports[0]?.published).toBe(30_000);
  expect(world.view.get("node", "n1")?.attachments["net-front"]).toBeDefined();
  expect(world.plan().changes).toEqual([]);
});

test("a task without a fit node says why, once", () => {
  const world = newWorld(
    [aNode("n1", { status: { state: "down", message: "", address: "" } })],
    [webService(1)],
  );
  world.settle();
  expect(world.tasks()[0]?.status.error).toBe("no suitable node (1 node not available for new tasks)");
});

/** Every address, VIP and port in the world, each once or it is a mistake. */
function held(world: World): string[] {
  const terminal = (t: Task) => stateRank(t.status.state) >= stateRank("complete");
  return [
    ...world
      .tasks()
      .filter((t) => !terminal(t))
      .flatMap((t) => t.attachments.map((a) => `${a.networkId} ${a.address}`)),
    ...[...world.view.all("node")].flatMap((n) =>
      Object.entries(n.attachments).map(([id, a]) => `${id} ${a}`),
    ),
    ...[...world.view.all("service")].flatMap(
      (s) => s.endpoint?.vips.map((v) => `${v.networkId} ${v.address}`) ?? [],
    ),
    ...[...world.view.all("network")].flatMap((n) => (n.state ? [`${n.id} ${n.state.gateway}`] : [])),
  ];
}

type Step =
  | { kind: "scale"; to: number }
  | { kind: "report"; pick: number; state: TaskState }
  | { kind: "node"; pick: number; up: boolean }
  | { kind: "time"; ms: number }
  | { kind: "force" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("scale" as const), to: fc.integer({ min: 0, max: 6 }) }),
  fc.record({
    kind: fc.constant("report" as const),
    pick: fc.nat(50),
    state: fc.constantFrom(...TASK_STATES.slice(3, 12)),
  }),
  fc.record({ kind: fc.constant("node" as const), pick: fc.nat(2), up: fc.boolean() }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ kind: fc.constant("force" as const) }),
);

function act(world: World, s: Step): unknown {
  const service = world.view.get("service", "svc-web")!;
  switch (s.kind) {
    case "scale":
      return world.write([
        {
          op: "put",
          kind: "service",
          object: {
            ...service,
            specVersion: service.version + 1,
            spec: { ...service.spec, mode: { kind: "replicated", replicas: s.to } },
          },
        },
      ]);
    case "force":
      return world.write([
        {
          op: "put",
          kind: "service",
          object: {
            ...service,
            specVersion: service.version + 1,
            spec: {
              ...service.spec,
              task: { ...service.spec.task, forceUpdate: service.spec.task.forceUpdate + 1 },
            },
          },
        },
      ]);
    case "report": {
      const assigned = world.tasks().filter((t) => t.nodeId !== undefined);
      const task = assigned[s.pick % Math.max(1, assigned.length)];
      return task && world.report(task, s.state);
    }
    case "node": {
      const node = [...world.view.all("node")][s.pick]!;
      return world.write([
        {
          op: "put",
          kind: "node",
          object: { ...node, status: { ...node.status, state: s.up ? "ready" : "down" } },
        },
      ]);
    }
    case "time":
      world.now += s.ms;
      return undefined;
  }
}

test("whatever happens: the planner settles, moves only forward, and never gives a number out twice", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = newWorld([aNode("n1"), aNode("n2"), aNode("n3")], [webService(3)]);
      for (const s of steps) {
        act(world, s);
        const before = new Map(world.tasks().map((t) => [t.id, t]));
        world.settle();
        for (const task of world.tasks()) {
          const old = before.get(task.id);
          if (old === undefined) continue;
          expect(stateRank(task.status.state)).toBeGreaterThanOrEqual(stateRank(old.status.state));
          expect(stateRank(task.desiredState)).toBeGreaterThanOrEqual(stateRank(old.desiredState));
          if (old.nodeId !== undefined) expect(task.nodeId).toBe(old.nodeId);
        }
        const numbers = held(world);
        expect(new Set(numbers).size, numbers.join(", ")).toBe(numbers.length);
      }
    }),
    { numRuns: 200 },
  );
});

test("once faults stop, what is wanted equals what was asked", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const world = newWorld([aNode("n1"), aNode("n2"), aNode("n3")], [webService(3)]);
      for (const s of steps) {
        act(world, s);
        world.settle();
      }
      const service = world.view.get("service", "svc-web")!;
      const { updateStatus: _, ...rest } = service;
      world.write([{ op: "put", kind: "service", object: rest }]);
      for (const node of [...world.view.all("node")]) {
        world.write([
          { op: "put", kind: "node", object: { ...node, status: { ...node.status, state: "ready" } } },
        ]);
      }
      for (let round = 0; round < 40; round++) {
        world.settle();
        world.now += 6_000;
        for (const task of world.tasks()) {
          if (task.nodeId === undefined) continue;
          if (task.desiredState === "running") world.report(task, "running");
          else if (task.desiredState !== "ready") world.report(task, "shutdown");
        }
      }
      world.settle();
      const running = world
        .tasks()
        .filter((t) => t.status.state === "running" && t.desiredState === "running");
      expect(running.length).toBe(service.spec.mode.replicas);
      expect(new Set(running.map((t) => t.slot)).size).toBe(running.length);
    }),
    { numRuns: 60 },
  );
});
