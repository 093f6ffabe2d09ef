import { describe, expect, test } from "vitest";
import {
  DEFAULT_UPDATE,
  type Node,
  put,
  remove,
  type Service,
  type ServiceMode,
  type Task,
} from "../model/index.ts";
import { aNode, T0 } from "../model/objects.fake.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** What global services and jobs live through, with all deciders at work and agents that do as they are told. */

const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];

function serviceOf(mode: ServiceMode, rest: Partial<Service["spec"]["task"]> = {}): Service {
  const base = webService(1);
  const job = { iteration: 0, lastExecution: base.createdAt };
  const isJob = mode.kind === "replicated-job" || mode.kind === "global-job";
  return {
    ...base,
    ...(isJob && { job }),
    spec: { ...base.spec, mode, task: { ...base.spec.task, ...rest } },
  };
}

/** Every update of a job is a new iteration, as the control writes it. */
function rerun(world: World, mode?: ServiceMode): void {
  const service = world.service();
  const iteration = (service.job?.iteration ?? 0) + 1;
  world.write([
    put("service", {
      ...service,
      spec: { ...service.spec, mode: mode ?? service.spec.mode },
      specVersion: service.version + 1,
      job: { iteration, lastExecution: world.now },
    }),
  ]);
}

const iterationOf = (world: World): number => world.service().job?.iteration ?? 0;
const present = (world: World): Task[] =>
  world.tasks().filter((task) => task.jobIteration === iterationOf(world));
const completed = (tasks: readonly Task[]): Task[] =>
  tasks.filter((task) => task.status.state === "complete");
const placeOf = (task: Task): string =>
  task.mode === "global-job" ? (task.nodeId ?? "") : String(task.slot);
const nodesOf = (tasks: readonly Task[]): (string | undefined)[] => tasks.map((task) => task.nodeId).sort();

function nodeOf(world: World, id: string): Node {
  const node = world.view.get("node", id);
  if (node === undefined) throw new Error(`no node ${id}`);
  return node;
}

/** Runs for so long, then completes. */
const takes =
  (ms: number): Fate =>
  (task, now) =>
    task.ranAt !== undefined && now - task.ranAt >= ms ? "complete" : "running";

describe("a replicated job", () => {
  const mode = { kind: "replicated-job", maxConcurrent: 2, totalCompletions: 5 } as const;

  test("completes each slot once, two at a time", () => {
    const world = newWorld(nodes, [serviceOf(mode)]);
    let most = 0;
    world.watch = () => {
      most = Math.max(most, world.running().length);
    };
    world.run(60_000, takes(5_000));
    expect(completed(world.tasks()).map((t) => t.slot)).toEqual([0, 1, 2, 3, 4]);
    expect([world.tasks().length, most]).toEqual([5, 2]);
    world.run(3_600_000, takes(5_000));
    expect(world.tasks()).toHaveLength(5);
  });

  test("a node that dies takes no completed slot with it", () => {
    const world = newWorld(nodes, [serviceOf(mode)]);
    world.run(12_000, takes(5_000));
    const done = completed(world.tasks()).length;
    expect(done).toBeGreaterThan(0);
    world.node("n1", "down");
    world.run(60_000, takes(5_000));
    expect(completed(world.tasks()).map((t) => t.slot)).toEqual([0, 1, 2, 3, 4]);
  });

  test("updated, it runs anew, and old runs do not pile up", () => {
    const world = newWorld(nodes, [serviceOf(mode)]);
    for (let i = 0; i < 20; i++) {
      world.run(60_000, takes(1_000));
      expect(completed(present(world))).toHaveLength(5);
      rerun(world);
    }
    world.run(60_000, takes(1_000));
    expect(world.tasks().length).toBeLessThanOrEqual(5 * 5);
    rerun(world, { ...mode, totalCompletions: 2 });
    world.run(60_000, takes(1_000));
    expect(new Set(world.tasks().map((t) => t.slot))).toEqual(new Set([0, 1]));
  });

  test("gives a slot up after its attempts, and no sooner", () => {
    const base = webService(1).spec.task;
    const restart = { ...base.restart, maxAttempts: 2 };
    const world = newWorld(nodes, [serviceOf(mode, { restart })]);
    const tried = new Map<string, number>();
    world.watch = (changes) => {
      for (const { kind, before, after } of changes) {
        const task = after as Task | undefined;
        if (kind === "task" && before === undefined && task !== undefined)
          tried.set(placeOf(task), (tried.get(placeOf(task)) ?? 0) + 1);
      }
    };
    world.run(600_000, (task) => (task.slot === 1 ? "failed" : "complete"));
    expect(tried.get("1")).toBe(3);
    expect(completed(world.tasks()).map((t) => t.slot)).toEqual([0, 2, 3, 4]);
    expect(world.plan().again).toBeUndefined();
  });
});

describe("a global service", () => {
  test("runs on every node, comes to new ones, and leaves drained and removed ones", () => {
    const world = newWorld(nodes, [serviceOf({ kind: "global" })]);
    world.run(1_000);
    expect(nodesOf(world.running())).toEqual(["n1", "n2", "n3"]);
    world.write([put("node", { ...aNode("n4"), version: 0 })]);
    world.node("n1", "ready", "drain");
    world.node("n2", "ready", "pause");
    world.run(1_000);
    expect(nodesOf(world.running())).toEqual(["n2", "n3", "n4"]);
    world.node("n1", "ready");
    world.write([remove("node", nodeOf(world, "n3"))]);
    world.run(10_000);
    expect(nodesOf(world.running())).toEqual(["n1", "n2", "n4"]);
    expect(world.tasks().filter((task) => task.nodeId === "n3")).toEqual([]);
  });

  test("comes back to a node that was down: the old task stops before the new one runs", () => {
    const world = newWorld(nodes, [serviceOf({ kind: "global" })]);
    world.run(1_000);
    world.node("n1", "down");
    world.run(60_000);
    expect(nodesOf(world.running())).toEqual(["n2", "n3"]);
    let most = 0;
    world.watch = () => {
      const there = world.tasks().filter((t) => t.nodeId === "n1" && t.status.state === "running");
      most = Math.max(most, there.length);
    };
    world.node("n1", "ready");
    world.run(10_000);
    expect([nodesOf(world.running()), most]).toEqual([["n1", "n2", "n3"], 1]);
  });

  test("is updated node by node", () => {
    const world = newWorld(nodes, [serviceOf({ kind: "global" })]);
    world.run(1_000);
    let least = 3;
    world.watch = () => {
      least = Math.min(least, world.tasks().filter((t) => t.status.state === "running").length);
    };
    world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: 1 } }));
    world.run(60_000);
    expect(world.running().every((task) => task.spec.forceUpdate === 1)).toBe(true);
    expect([nodesOf(world.running()), least]).toEqual([["n1", "n2", "n3"], 2]);
    expect(world.service().updateStatus?.state).toBe("completed");
  });

  test("a node without room says so, and is used once it has", () => {
    const base = webService(1).spec.task;
    const reservations = { nanoCpus: 8e9, memoryBytes: 0, generic: [] };
    const big = { resources: { ...base.resources, reservations } };
    const world = newWorld([aNode("n1")], [serviceOf({ kind: "global" }, big)]);
    world.run(1_000);
    const [waiting] = world.tasks();
    expect(waiting?.status).toMatchObject({
      state: "pending",
      error: expect.stringContaining("insufficient resources on 1 node"),
    });
    const node = nodeOf(world, "n1");
    const { description } = node;
    if (description === undefined) throw new Error("a node without description");
    const resources = { ...description.resources, nanoCpus: 16e9 };
    world.write([put("node", { ...node, description: { ...description, resources } })]);
    world.run(1_000);
    expect(world.running().map((t) => t.id)).toEqual([waiting?.id]);
  });
});

describe("a global job", () => {
  test("runs once on each node, also on one that comes later, and anew when it is updated", () => {
    const world = newWorld(nodes, [serviceOf({ kind: "global-job" })]);
    world.run(10_000, takes(2_000));
    expect(nodesOf(completed(world.tasks()))).toEqual(["n1", "n2", "n3"]);
    world.write([put("node", { ...aNode("n4"), version: 0 })]);
    world.run(10_000, takes(2_000));
    expect(nodesOf(completed(world.tasks()))).toEqual(["n1", "n2", "n3", "n4"]);
    rerun(world);
    world.run(10_000, takes(2_000));
    expect(nodesOf(completed(present(world)))).toEqual(["n1", "n2", "n3", "n4"]);
    expect(world.tasks()).toHaveLength(8);
  });
});

describe("a planned drain", () => {
  const startFirst = (replicas: number): Service => {
    const base = webService(replicas);
    return { ...base, spec: { ...base.spec, update: { ...DEFAULT_UPDATE, order: "start-first" } } };
  };

  function worldOf(service: Service, at = nodes): { world: World; seen: { least: number } } {
    const world = newWorld(at, [service]);
    world.run(1_000);
    const seen = { least: Number.POSITIVE_INFINITY };
    world.watch = () => {
      const running = world.tasks().filter((task) => task.status.state === "running").length;
      seen.least = Math.min(seen.least, running);
    };
    return { world, seen };
  }

  test("costs a start-first service no capacity", () => {
    const { world, seen } = worldOf(startFirst(6));
    world.node("n1", "ready", "drain");
    world.run(10_000);
    expect(nodesOf(world.running())).not.toContain("n1");
    expect([world.running().length, seen.least]).toEqual([6, 6]);
    expect(new Set(world.running().map((t) => t.slot)).size).toBe(6);
  });

  test("with no other place leaves the old task running, and the waiting one says why", () => {
    const { world } = worldOf(startFirst(1), [aNode("n1")]);
    world.node("n1", "ready", "drain");
    world.run(600_000);
    expect(nodesOf(world.running())).toEqual(["n1"]);
    const waiting = world.tasks().filter((task) => task.nodeId === undefined);
    expect(waiting.map((task) => task.status.error)).toEqual([
      "no suitable node (1 node not available for new tasks)",
    ]);
    world.write([put("node", aNode("n2"))]);
    world.run(10_000);
    expect(nodesOf(world.running())).toEqual(["n2"]);
  });

  test("tries a successor that will not come up no faster than the restart delay, and keeps the old one", () => {
    const { world, seen } = worldOf(startFirst(1));
    const [old] = world.running();
    world.node(old?.nodeId ?? "", "ready", "drain");
    const known = new Set<string>();
    const before = world.watch;
    world.watch = (changes) => {
      before?.(changes);
      for (const { id } of world.tasks()) known.add(id);
    };
    world.run(60_000, (task) => (task.id === old?.id ? "running" : "rejected"));
    expect(known.size).toBeLessThanOrEqual(15);
    expect(seen.least).toBe(1);
  });
});

describe("a node's label", () => {
  test("taken away moves the tasks that need it, with Swarm's words", () => {
    const labelled = (id: string, disk: string) =>
      aNode(id, { spec: { role: "worker", labels: { disk }, availability: "active" } });
    const base = webService(2);
    const placement = { ...base.spec.task.placement, constraints: ["node.labels.disk==ssd"] };
    const service = { ...base, spec: { ...base.spec, task: { ...base.spec.task, placement } } };
    const world = newWorld([labelled("n1", "ssd"), labelled("n2", "ssd")], [service]);
    world.run(1_000);
    expect(nodesOf(world.running())).toEqual(["n1", "n2"]);
    const n1 = nodeOf(world, "n1");
    world.write([put("node", { ...n1, spec: { ...n1.spec, labels: {} } })]);
    world.run(10_000);
    expect(nodesOf(world.running())).toEqual(["n2", "n2"]);
    expect(world.tasks().flatMap((t) => (t.nodeId === "n1" ? [t.status] : []))).toMatchObject([
      { state: "shutdown", error: "assigned node no longer meets constraints" },
    ]);
  });
});

describe("a host that stays away", () => {
  test("is spoken of for a day; then its tasks are orphans, of which a place keeps its last few", () => {
    const world = newWorld(nodes, [webService(3)]);
    world.run(1_000);
    world.node("n1", "down");
    world.run(10_000);
    const lost = () => world.tasks().filter((task) => task.nodeId === "n1");
    expect(lost().map((task) => [task.desiredState, task.status.state])).toEqual([["shutdown", "running"]]);
    expect(world.plan().again).toBe(T0 + 1_000 + 24 * 3_600_000);
    world.now = T0 + 25 * 3_600_000;
    world.settle();
    expect(lost().map((task) => task.status.state)).toEqual(["orphaned"]);
    world.node("n1", "ready");
    world.run(10_000);
    expect(world.running()).toHaveLength(3);
  });
});
