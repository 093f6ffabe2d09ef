import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DEFAULT_UPDATE,
  put,
  replicasOf,
  type Service,
  stateRank,
  TASK_STATES,
  type Task,
  type TaskState,
} from "../model/index.ts";
import { aNode, aService, aTask, T0 } from "../model/objects.fake.ts";
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
      expect(running.length).toBe(replicasOf(service.spec.mode));
      expect(new Set(running.map((t) => t.slot)).size).toBe(running.length);
    }),
    { numRuns: 60 },
  );
});

/** Any state of affairs, also such as no history leads to: what a planner finds after a crash, a bug or an upgrade. */
const anyTask = fc.record({
  service: fc.constantFrom("web", "api", "gone"),
  slot: fc.integer({ min: 1, max: 4 }),
  node: fc.constantFrom("n1", "n2", "n3", "gone"),
  state: fc.constantFrom(...TASK_STATES),
  desiredState: fc.constantFrom("ready" as const, "running" as const, "shutdown" as const, "remove" as const),
  specVersion: fc.constantFrom(1, 5),
  forceUpdate: fc.constantFrom(0, 1),
  born: fc.integer({ min: -120, max: 0 }),
  notBefore: fc.option(fc.integer({ min: -20, max: 20 }), { nil: undefined }),
  after: fc.option(fc.nat(9), { nil: undefined }),
  replaces: fc.option(fc.nat(9), { nil: undefined }),
  crashes: fc.nat(3),
  address: fc.option(fc.integer({ min: 2, max: 250 }), { nil: undefined }),
});
const anyNode = fc.record({
  state: fc.constantFrom("ready" as const, "down" as const, "unknown" as const),
  availability: fc.constantFrom("active" as const, "pause" as const, "drain" as const),
});
const anyUpdate = fc.record({
  order: fc.constantFrom("stop-first" as const, "start-first" as const),
  failureAction: fc.constantFrom("pause" as const, "continue" as const, "rollback" as const),
  parallelism: fc.nat(2),
  delayMs: fc.constantFrom(0, 10_000),
  status: fc.constantFrom(
    undefined,
    "updating" as const,
    "paused" as const,
    "rollback_started" as const,
    "completed" as const,
  ),
});
const anyWorld = fc.record({
  nodes: fc.tuple(anyNode, anyNode, anyNode),
  replicas: fc.tuple(fc.nat(5), fc.nat(5)),
  update: anyUpdate,
  condition: fc.constantFrom("any" as const, "none" as const, "on-failure" as const),
  maxAttempts: fc.nat(2),
  tasks: fc.array(anyTask, { maxLength: 10 }),
});
type AnyWorld = typeof anyWorld extends fc.Arbitrary<infer T> ? T : never;

function worldFrom({ nodes, replicas, update, condition, maxAttempts, tasks }: AnyWorld): World {
  const { status, ...rules } = update;
  const services = ["web", "api"].map((name, i): Service => {
    const base = webService(replicas[i] ?? 0);
    const { task } = base.spec;
    return {
      ...base,
      id: `svc-${name}`,
      version: 5,
      specVersion: 5,
      previousSpec: base.spec,
      spec: {
        ...base.spec,
        name,
        update: { ...DEFAULT_UPDATE, ...rules },
        task: { ...task, forceUpdate: 1, restart: { ...task.restart, condition, maxAttempts } },
      },
      ...(status !== undefined && { updateStatus: { state: status, startedAt: T0 - 60_000, message: "" } }),
    };
  });
  const world = newWorld(
    nodes.map(({ state, availability }, i) =>
      aNode(`n${i + 1}`, {
        status: { state, message: "", address: "" },
        spec: { labels: {}, role: "worker", availability },
      }),
    ),
    services,
  );
  for (const [i, t] of tasks.entries()) {
    const service = services.find((s) => s.id === `svc-${t.service}`) ?? aService("gone");
    const address =
      t.address === undefined ? [] : [{ networkId: "net-front", address: `10.0.1.${t.address}` }];
    world.view.put("task", {
      ...aTask(service, t.slot),
      id: `t${i}`,
      createdAt: T0 + t.born * 1000,
      desiredState: t.desiredState,
      specVersion: t.forceUpdate === 0 ? 1 : t.specVersion,
      spec: { ...service.spec.task, forceUpdate: t.forceUpdate },
      status: { at: T0 + t.born * 500, state: t.state, message: "" },
      attachments: address,
      ...(stateRank(t.state) >= stateRank("assigned") && { nodeId: t.node }),
      ...(t.notBefore !== undefined && { notBefore: T0 + t.notBefore * 1000 }),
      ...(t.after !== undefined && { after: `t${t.after}` }),
      ...(t.replaces !== undefined && { replaces: `t${t.replaces}` }),
      ...(t.crashes > 0 && { crashes: t.crashes }),
    });
  }
  return world;
}

test("a plan says everything: once it is written there is nothing more to say, whatever the state of affairs", () => {
  fc.assert(
    fc.property(anyWorld, (seed) => {
      const world = worldFrom(seed);
      world.write(world.plan().changes);
      expect(world.plan().changes).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("from any state of affairs a healthy cluster gets what was asked for", () => {
  fc.assert(
    fc.property(anyWorld, (seed) => {
      const world = worldFrom({ ...seed, condition: "any", maxAttempts: 0 });
      for (const id of ["n1", "n2", "n3"]) world.node(id, "ready");
      for (const service of [...world.view.all("service")]) {
        const { updateStatus: _, ...rest } = service;
        world.write([put("service", { ...rest, specVersion: service.version + 1 })]);
      }
      world.run(300_000);
      for (const service of world.view.all("service")) {
        const running = world.running().filter((t) => t.serviceId === service.id);
        expect(new Set(running.map((t) => t.slot)).size).toBe(replicasOf(service.spec.mode));
        expect(running).toHaveLength(replicasOf(service.spec.mode) ?? 0);
        expect(running.every((t) => t.spec.forceUpdate === 1)).toBe(true);
      }
      expect(world.tasks().filter((t) => t.serviceId === "svc-gone")).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
