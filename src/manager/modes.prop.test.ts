import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DesiredState,
  isGlobal,
  isJob,
  isTerminal,
  isWanted,
  type Node,
  put,
  remove,
  type Service,
  type ServiceMode,
  stateRank,
  TASK_STATES,
  type Task,
} from "../model/index.ts";
import { aNode, aTask, T0 } from "../model/objects.fake.ts";
import type { ObjectChange } from "../store/index.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** Global services and jobs under whatever nodes, tasks and users do. */

type Step = NodeStep | OtherStep;
type NodeStep =
  | { readonly kind: "node"; readonly id: string; readonly state: "ready" | "down" | "unknown" }
  | { readonly kind: "availability"; readonly id: string; readonly to: "active" | "pause" | "drain" }
  | { readonly kind: "label"; readonly id: string; readonly on: boolean }
  | { readonly kind: "remove"; readonly id: string };
type OtherStep =
  | { readonly kind: "join"; readonly id: string }
  | { readonly kind: "force" }
  | { readonly kind: "run"; readonly ms: number; readonly fates: readonly ReturnType<Fate>[] };

const IDS = ["n1", "n2", "n3", "n4"] as const;
const anId = fc.constantFrom(...IDS);
const aFate = fc.constantFrom<ReturnType<Fate>[]>("running", "complete", "failed", "rejected", "preparing");
const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("node" as const),
    id: anId,
    state: fc.constantFrom("ready" as const, "down" as const, "unknown" as const),
  }),
  fc.record({
    kind: fc.constant("availability" as const),
    id: anId,
    to: fc.constantFrom("active" as const, "pause" as const, "drain" as const),
  }),
  fc.record({ kind: fc.constant("label" as const), id: anId, on: fc.boolean() }),
  fc.record({ kind: fc.constant("remove" as const), id: anId }),
  fc.record({ kind: fc.constant("join" as const), id: anId }),
  fc.record({ kind: fc.constant("force" as const) }),
  fc.record({
    kind: fc.constant("run" as const),
    ms: fc.constantFrom(1, 3_000, 8_000, 90_000),
    fates: fc.array(aFate, { minLength: 1, maxLength: 4 }),
  }),
);
const aMode: fc.Arbitrary<ServiceMode> = fc.oneof(
  fc.constant({ kind: "global" as const }),
  fc.constant({ kind: "global-job" as const }),
  fc.record({
    kind: fc.constant("replicated-job" as const),
    maxConcurrent: fc.integer({ min: 1, max: 4 }),
    totalCompletions: fc.integer({ min: 1, max: 6 }),
  }),
);

function serviceOf(mode: ServiceMode, maxAttempts: number, order: "start-first" | "stop-first"): Service {
  const base = webService(1);
  const { task } = base.spec;
  const placement = { ...task.placement, constraints: ["node.labels.off!=yes"] };
  const restart = { ...task.restart, maxAttempts };
  const update = {
    parallelism: 1,
    delayMs: 0,
    failureAction: "continue",
    monitorMs: 5_000,
    maxFailureRatio: 0,
    order,
  } as const;
  return {
    ...base,
    ...(isJob(mode.kind) ? { job: { iteration: 0, lastExecution: base.createdAt } } : {}),
    spec: {
      ...base.spec,
      ...(!isJob(mode.kind) && { update }),
      mode,
      task: { ...task, placement, restart },
    },
  };
}

function act(world: World, step: Step): unknown {
  switch (step.kind) {
    case "run": {
      const { ms, fates } = step;
      return world.run(ms, (task) => fates[Number(task.id.slice(3)) % fates.length] ?? "running");
    }
    case "force":
      return force(world);
    case "join":
      return world.view.get("node", step.id) ?? world.write([put("node", { ...aNode(step.id), version: 0 })]);
    case "node":
    case "availability":
    case "label":
    case "remove": {
      const node = world.view.get("node", step.id);
      return node && actOn(world, node, step);
    }
  }
}

function actOn(world: World, node: Node, step: NodeStep): unknown {
  switch (step.kind) {
    case "remove":
      return world.write([remove("node", node)]);
    case "node":
      return world.node(step.id, step.state, node.spec.availability);
    case "availability":
      return world.node(step.id, node.status.state, step.to);
    case "label":
      return world.write([
        put("node", { ...node, spec: { ...node.spec, labels: step.on ? { off: "yes" } : {} } }),
      ]);
  }
}

/** New words: an update of a service that runs for ever, a new iteration of a job. */
function force(world: World): void {
  world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: spec.task.forceUpdate + 1 } }));
  const service = world.service();
  if (service.job === undefined) return;
  const job = { iteration: service.job.iteration + 1, lastExecution: world.now };
  world.write([put("service", { ...service, job })]);
}

const placeOf = (task: Task): string => (isGlobal(task.mode) ? (task.nodeId ?? "") : String(task.slot));
const iterationOf = (world: World): number => world.service().job?.iteration ?? 0;

/** What must hold after every write. */
function check(world: World, changes: readonly ObjectChange[]): void {
  const { mode } = world.service().spec;
  for (const { kind, before, after } of changes) {
    if (kind !== "task" || before !== undefined || after === undefined) continue;
    checkBirth(world, after as Task);
  }
  if (mode.kind !== "replicated-job") return;
  const flying = world
    .tasks()
    .filter((t) => t.jobIteration === iterationOf(world) && isWanted(t) && !isTerminal(t));
  expect(flying.length).toBeLessThanOrEqual(mode.maxConcurrent);
}

/** A task's birth: a completed place is not run again in its iteration, and attempts are counted. */
function checkBirth(world: World, born: Task): void {
  if (isGlobal(born.mode)) expect(born.nodeId).toBeDefined();
  if (!isJob(born.mode)) return;
  const same = world
    .tasks()
    .filter((t) => t.id !== born.id && t.jobIteration === born.jobIteration && placeOf(t) === placeOf(born));
  expect(same.filter((t) => t.status.state === "complete")).toEqual([]);
  const { maxAttempts } = born.spec.restart;
  const own = same.filter((t) => t.status.state === "failed" || t.status.state === "rejected");
  if (maxAttempts > 0) expect(own.length).toBeLessThanOrEqual(maxAttempts);
}

/** A slot's first task and its successor, both rejected at the instant at which both were born. */
const BORN_AT_ONE_INSTANT: [ServiceMode, number, "start-first", Step[]] = [
  { kind: "replicated-job", maxConcurrent: 3, totalCompletions: 3 },
  1,
  "start-first",
  [
    { kind: "run", ms: 1, fates: ["running", "rejected"] },
    { kind: "force" },
    { kind: "run", ms: 8000, fates: ["rejected"] },
  ],
];

test("whatever happens to global services and jobs, their rules hold, and in the end they have what was asked", () => {
  fc.assert(
    fc.property(
      aMode,
      fc.nat(2),
      fc.constantFrom("start-first" as const, "stop-first" as const),
      fc.array(aStep, { maxLength: 20 }),
      (mode, maxAttempts, order, steps) => {
        const world = newWorld(
          [aNode("n1"), aNode("n2"), aNode("n3")],
          [serviceOf(mode, maxAttempts, order)],
        );
        world.watch = (changes) => check(world, changes);
        for (const step of steps) act(world, step);
        heal(world);
        checkEnd(world);
      },
    ),
    { numRuns: 60, examples: [BORN_AT_ONE_INSTANT] },
  );
});

/** Faults stop, nodes are well, and new words are tried. */
function heal(world: World): void {
  for (const id of IDS) {
    act(world, { kind: "join", id });
    act(world, { kind: "node", id, state: "ready" });
    act(world, { kind: "availability", id, to: "active" });
    act(world, { kind: "label", id, on: id === "n2" });
  }
  force(world);
  world.run(300_000, (task) => (isJob(task.mode) ? "complete" : "running"));
}

function checkEnd(world: World): void {
  const { mode } = world.service().spec;
  const fit = ["n1", "n3", "n4"];
  const now = world.tasks().filter((t) => (t.jobIteration ?? 0) === iterationOf(world));
  const nodes = (tasks: readonly Task[]) => tasks.map((t) => t.nodeId).sort();
  const done = now.filter((t) => t.status.state === "complete");
  if (mode.kind === "global") expect(nodes(world.running())).toEqual(fit);
  if (mode.kind === "global-job") expect(nodes(done)).toEqual(fit);
  if (mode.kind === "replicated-job")
    expect(done.map((t) => t.slot)).toEqual(Array.from({ length: mode.totalCompletions }, (_, i) => i));
  const told = world.tasks().filter((t) => stateRank(t.status.state) >= stateRank("assigned"));
  expect(told.filter((t) => !isTerminal(t) && !isWanted(t))).toEqual([]);
  expect(world.plan().changes).toEqual([]);
}

/** Any state of affairs, also such as no history leads to. */
const anyTask = fc.record({
  slot: fc.integer({ min: 0, max: 5 }),
  node: fc.constantFrom(...IDS, "gone"),
  iteration: fc.constantFrom(0, 1),
  state: fc.constantFrom(...TASK_STATES),
  desired: fc.constantFrom<DesiredState[]>("ready", "running", "complete", "shutdown", "remove"),
  forceUpdate: fc.constantFrom(0, 1),
  born: fc.integer({ min: -120_000, max: 0 }),
  notBefore: fc.option(fc.integer({ min: -20_000, max: 20_000 }), { nil: undefined }),
  after: fc.option(fc.nat(9), { nil: undefined }),
});
const anyState = fc.record({
  mode: aMode,
  maxAttempts: fc.nat(2),
  order: fc.constantFrom("start-first" as const, "stop-first" as const),
  nodes: fc.array(aStep.filter(isNodeStep), { maxLength: 8 }),
  tasks: fc.array(anyTask, { maxLength: 12 }),
});

function isNodeStep(step: Step): step is NodeStep {
  return step.kind !== "run" && step.kind !== "force" && step.kind !== "join";
}

function worldOf({ mode, maxAttempts, order, nodes, tasks }: StateOf<typeof anyState>): World {
  const base = serviceOf(mode, maxAttempts, order);
  const service = {
    ...base,
    version: 5,
    specVersion: 5,
    ...(base.job && { job: { ...base.job, iteration: 1 } }),
    spec: { ...base.spec, task: { ...base.spec.task, forceUpdate: 1 } },
  };
  const world = newWorld(
    IDS.slice(0, 3).map((id) => aNode(id)),
    [service],
  );
  for (const step of nodes) act(world, step);
  for (const [i, t] of tasks.entries()) {
    const global = isGlobal(mode.kind);
    const desired = isJob(mode.kind) && t.desired === "running" ? "complete" : t.desired;
    world.view.put("task", {
      ...aTask(service, global ? 0 : t.slot),
      id: `t${i}`,
      createdAt: T0 + t.born,
      desiredState: !isJob(mode.kind) && desired === "complete" ? "running" : desired,
      specVersion: t.forceUpdate === 1 ? 5 : 1,
      spec: { ...service.spec.task, forceUpdate: t.forceUpdate },
      status: { at: T0 + t.born / 2, state: t.state, message: "" },
      ...(isJob(mode.kind) && { jobIteration: t.iteration }),
      ...((global || stateRank(t.state) >= stateRank("assigned")) && { nodeId: t.node }),
      ...(t.notBefore !== undefined && { notBefore: T0 + t.notBefore }),
      ...(t.after !== undefined && { after: `t${t.after}` }),
    });
  }
  return world;
}
type StateOf<A> = A extends fc.Arbitrary<infer T> ? T : never;

test("a plan for global services and jobs says everything, whatever the state of affairs", () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const world = worldOf(state);
      world.write(world.plan().changes);
      expect(world.plan().changes).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test("from any state of affairs a healthy cluster gets its global services and jobs done", () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const world = worldOf(state);
      heal(world);
      checkEnd(world);
    }),
    { numRuns: 60 },
  );
});

const aQuietStep: fc.Arbitrary<Step> = fc.oneof(
  aStep.filter((step) => step.kind === "availability" || step.kind === "label" || step.kind === "force"),
  fc.record({
    kind: fc.constant("run" as const),
    ms: fc.constantFrom(1, 3_000, 20_000),
    fates: fc.constant(["running" as const]),
  }),
);

test("no planned step (drains, pauses, labels, updates) costs a start-first service a running slot", () => {
  fc.assert(
    fc.property(fc.array(aQuietStep, { maxLength: 20 }), (steps) => {
      const replicas = 3;
      const service = serviceOf({ kind: "replicated", replicas }, 0, "start-first");
      const world = newWorld(
        [...IDS, "n5"].map((id) => aNode(id)),
        [service],
      );
      world.run(1_000);
      world.watch = () => {
        const running = world.tasks().filter((task) => task.status.state === "running");
        expect(new Set(running.map((task) => task.slot)).size).toBe(replicas);
      };
      for (const step of steps) act(world, step);
      world.run(300_000);
      const suits = ({ spec }: Node) => spec.availability !== "drain" && spec.labels["off"] !== "yes";
      for (const task of world.running()) {
        const node = world.view.get("node", task.nodeId ?? "");
        // A paused node is not looked at.
        expect(node && (suits(node) || node.spec.availability === "pause")).toBe(true);
      }
      expect(world.running()).toHaveLength(replicas);
    }),
    { numRuns: 25 },
  );
});
