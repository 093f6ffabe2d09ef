import { describe, expect, test } from "vitest";
import {
  DEFAULT_CLUSTER_SPEC,
  DEFAULT_UPDATE,
  put,
  type RestartPolicy,
  type Service,
  type ServiceSpec,
  type Task,
  type UpdateConfig,
} from "../model/index.ts";
import { aCluster, aNode } from "../model/objects.fake.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** What Swarm's updates trip over, and what ours do there. */

const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];
const TEN_MINUTES = 600_000;

interface Rules {
  readonly update?: Partial<UpdateConfig>;
  readonly rollback?: Partial<UpdateConfig>;
  readonly restart?: Partial<RestartPolicy>;
}

function worldOf(replicas: number, { update, rollback, restart }: Rules = {}, fate?: Fate): World {
  const base = webService(replicas);
  const { task } = base.spec;
  const spec: ServiceSpec = {
    ...base.spec,
    task: { ...task, restart: { ...task.restart, ...restart } },
    update: { ...DEFAULT_UPDATE, ...update },
    ...(rollback && { rollback: { ...DEFAULT_UPDATE, ...rollback } }),
  };
  const world = newWorld(nodes, [{ ...base, spec }]);
  world.run(1_000, fate);
  return world;
}

const generation = (task: Task): number => task.spec.forceUpdate;
const isNew = (task: Task): boolean => generation(task) > 0;
const say = (world: World): string => {
  const status = world.service().updateStatus;
  return status === undefined ? "nothing" : `${status.state}: ${status.message}`;
};
const statusOf = (world: World): string | undefined => world.service().updateStatus?.state;
const generations = (world: World): number[] => world.running().map(generation).sort();

function force(world: World, edit: Partial<ServiceSpec> = {}): void {
  world.update((spec) => ({
    ...spec,
    ...edit,
    task: { ...(edit.task ?? spec.task), forceUpdate: spec.task.forceUpdate + 1 },
  }));
}

/** As the control does on `docker service rollback`. */
function rollback(world: World): void {
  const { previousSpec, ...service } = world.service();
  if (previousSpec === undefined) throw new Error("no way back");
  const message = "manually requested rollback";
  const updateStatus = { state: "rollback_started", startedAt: world.now, message } as const;
  const back: Service = { ...service, spec: previousSpec, previousSpec: service.spec, updateStatus };
  world.write([put("service", { ...back, specVersion: service.version + 1 })]);
}

const newNeverRuns: Fate = (task) => (isNew(task) ? "preparing" : "running");
const newRejected: Fate = (task) => (isNew(task) ? "rejected" : "running");

describe("a task that never gets to run", () => {
  test("counts as failed after ten minutes: the update is paused and says what the task waits for", () => {
    const world = worldOf(3);
    const reservations = { nanoCpus: 99e9, memoryBytes: 0, generic: [] };
    const { task } = world.service().spec;
    force(world, { task: { ...task, resources: { ...task.resources, reservations } } });
    world.run(TEN_MINUTES - 1);
    expect(statusOf(world)).toBe("updating");
    world.run(1);
    expect(say(world)).toMatch(
      /^paused: update paused due to failure or early termination of task id-\d+: not running after 10 min, still pending: no suitable node \(insufficient resources on 3 nodes/,
    );
    expect(generations(world)).toEqual([0, 0]);
  });

  test("is given the start period of its health check on top", () => {
    const world = worldOf(1);
    const { task } = world.service().spec;
    const health = {
      test: ["CMD", "true"],
      intervalMs: 0,
      timeoutMs: 0,
      startPeriodMs: 300_000,
      startIntervalMs: 0,
      retries: 0,
    };
    force(world, { task: { ...task, container: { ...task.container, health } } });
    world.run(TEN_MINUTES + 299_000, newNeverRuns);
    expect(statusOf(world)).toBe("updating");
    world.run(1_000, newNeverRuns);
    expect(say(world)).toMatch(/^paused: .*: not running after 15 min, still preparing$/);
  });

  test("makes room for the next slot where the update goes on, and is in its last word", () => {
    const world = worldOf(3, { update: { failureAction: "continue" } });
    force(world);
    world.run(TEN_MINUTES * 2.5, (task) => (isNew(task) && task.slot === 2 ? "preparing" : "running"));
    expect(say(world)).toMatch(
      /^completed: update completed: 1 of 3 tasks failed, the last of them task id-\d+: not running after 10 min, still preparing$/,
    );
    expect(generations(world)).toEqual([1, 1]);
  });

  test("is rolled back to what ran before, at once where that still runs", () => {
    const world = worldOf(3, { update: { failureAction: "rollback", order: "start-first" } });
    const before = world.running().map((task) => task.id);
    force(world);
    world.run(TEN_MINUTES + 1_000, newNeverRuns);
    expect(say(world)).toMatch(
      /^rollback_completed: rollback completed: update rolled back due to .* 10 min/,
    );
    expect(world.running().map((task) => task.id)).toEqual(before);
  });

  test("is no failure of the update when it was only scaled up", () => {
    const world = worldOf(2);
    force(world, { mode: { kind: "replicated", replicas: 4 } });
    world.run(TEN_MINUTES * 2, (task) => (task.slot > 2 ? "preparing" : "running"));
    expect(statusOf(world)).toBe("completed");
    expect(generations(world)).toEqual([1, 1]);
  });
});

describe("start-first", () => {
  test("with one replica keeps it until the new task runs, and loses it to none that fails", () => {
    const world = worldOf(1, { update: { order: "start-first" } });
    const [old] = world.running();
    world.watch = () => expect(world.running().length).toBeGreaterThanOrEqual(1);
    force(world);
    world.run(TEN_MINUTES, newRejected);
    expect(world.running()).toEqual([old]);
    world.run(TEN_MINUTES);
    expect(generations(world)).toEqual([1]);
  });

  test("an update during an update drops the task that did not run yet, and keeps the one that does", () => {
    const world = worldOf(1, { update: { order: "start-first" } });
    force(world);
    world.run(1_000, newNeverRuns);
    force(world);
    world.run(1_000, newNeverRuns);
    const alive = world.tasks().filter((task) => task.desiredState === "running");
    expect(alive.map((task) => [generation(task), task.status.state])).toEqual([
      [0, "running"],
      [2, "preparing"],
    ]);
  });
});

describe("paused", () => {
  test("stays so until the user has another word; the same words go on with the slots that are left", () => {
    const world = worldOf(3);
    force(world);
    world.run(60_000, (task) => (isNew(task) && task.slot === 1 ? "failed" : "running"));
    expect(statusOf(world)).toBe("paused");
    world.run(TEN_MINUTES);
    expect(statusOf(world)).toBe("paused");
    expect(generations(world)).toContain(0);
    world.update((spec) => spec);
    world.run(60_000);
    expect(say(world)).toBe("completed: update completed");
    expect(generations(world)).toEqual([1, 1, 1]);
  });

  test("better words are tried at once, whatever the back-off of the bad ones", () => {
    const world = worldOf(3, { update: { parallelism: 0 } });
    force(world);
    world.run(TEN_MINUTES, newRejected);
    expect(statusOf(world)).toBe("paused");
    force(world);
    world.run(1_000, (task) => (generation(task) === 1 ? "rejected" : "running"));
    expect(generations(world)).toEqual([2, 2, 2]);
  });
});

describe("a rollback", () => {
  test.each(["stop-first", "start-first"] as const)(
    "words that failed before it are tried again when the user asks for them again (%s)",
    (order) => {
      const world = worldOf(2, {
        update: { order, failureAction: "rollback" },
        restart: { condition: "none" },
      });
      const say = () => world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: 1 } }));
      say();
      world.run(60_000, newRejected);
      expect([statusOf(world), generations(world)]).toEqual(["rollback_completed", [0, 0]]);
      say();
      world.run(60_000);
      expect([statusOf(world), generations(world)]).toEqual(["completed", [1, 1]]);
    },
  );

  test("by hand goes by its own rules, and there and back again", () => {
    const world = worldOf(4, { update: { delayMs: 60_000 }, rollback: { parallelism: 2, delayMs: 5_000 } });
    force(world);
    world.run(TEN_MINUTES);
    expect(generations(world)).toEqual([1, 1, 1, 1]);
    rollback(world);
    world.run(1_000);
    expect(generations(world)).toEqual([0, 0, 1, 1]);
    world.run(30_000);
    expect(say(world)).toBe("rollback_completed: rollback completed");
    expect(generations(world)).toEqual([0, 0, 0, 0]);
    rollback(world);
    world.run(60_000);
    expect(generations(world)).toEqual([1, 1, 1, 1]);
  });

  test("touches no task that still runs the earlier words", () => {
    const world = worldOf(4, { update: { failureAction: "rollback" } });
    const before = new Set(world.running().map((task) => task.id));
    force(world);
    world.run(60_000, newRejected);
    expect(statusOf(world)).toBe("rollback_completed");
    expect(world.running().filter((task) => before.has(task.id))).toHaveLength(3);
  });

  test("that fails is paused, or goes on if its rules say so", () => {
    for (const [failureAction, state] of [
      ["pause", "rollback_paused"],
      ["continue", "rollback_completed"],
    ] as const) {
      const world = worldOf(3, { update: { failureAction: "rollback" }, rollback: { failureAction } });
      const since = world.now;
      force(world);
      world.run(120_000, (task) => (task.createdAt >= since ? "failed" : "running"));
      expect(statusOf(world)).toBe(state);
    }
  });
});

describe("failures", () => {
  test("are remembered though the history keeps one task a slot", () => {
    const world = worldOf(4, { update: { maxFailureRatio: 0.25 } });
    world.write([put("cluster", aCluster({ spec: { ...DEFAULT_CLUSTER_SPEC, taskHistoryLimit: 0 } }))]);
    force(world);
    const tries = new Map<number, number>();
    // The first task of slots 1 and 3 fails, the next one does not.
    world.run(120_000, (task) => {
      if (!isNew(task) || task.slot % 2 === 0) return "running";
      const first = tries.get(task.slot) ?? task.createdAt;
      tries.set(task.slot, first);
      return task.createdAt === first ? "failed" : "running";
    });
    expect(statusOf(world)).toBe("paused");
    expect(world.tasks().length).toBeLessThanOrEqual(8);
  });

  test("within the delay count, though that is longer than the monitor time", () => {
    const world = worldOf(2, { update: { delayMs: 20_000 } });
    force(world);
    world.run(60_000, (task, now) =>
      isNew(task) && task.ranAt !== undefined && now - task.ranAt > 15_000 ? "failed" : "running",
    );
    expect(statusOf(world)).toBe("paused");
    expect(generations(world)).toEqual([0]);
  });

  test("an updated task that was moved before it ran is no failure, and is waited for elsewhere", () => {
    const world = worldOf(2);
    force(world);
    world.run(1_000, newNeverRuns);
    const [trial] = world.tasks().filter((task) => isNew(task));
    world.node(trial?.nodeId ?? "", "ready", "drain");
    world.run(5_000, newNeverRuns);
    const updated = () =>
      new Set(
        world
          .tasks()
          .filter(isNew)
          .map((task) => task.slot),
      );
    expect([statusOf(world), updated().size]).toEqual(["updating", 1]);
    world.run(30_000);
    expect([statusOf(world), updated().size]).toEqual(["completed", 2]);
  });
});

test("new constraints move only the tasks whose nodes do not meet them, now or later", () => {
  const world = worldOf(3);
  const label = (id: string, labels: Record<string, string>) => {
    const node = world.view.get("node", id);
    if (node !== undefined) world.write([put("node", { ...node, spec: { ...node.spec, labels } })]);
  };
  label("n1", { disk: "ssd" });
  label("n2", { disk: "ssd" });
  const at = () => new Map(world.running().map((task) => [task.id, task.nodeId]));
  const before = at();
  const moved = () => [...before].filter(([id]) => !at().has(id)).map(([, nodeId]) => nodeId);
  world.update(({ task, ...spec }) => {
    const placement = { ...task.placement, constraints: ["node.labels.disk==ssd"] };
    return { ...spec, task: { ...task, placement } };
  });
  world.run(60_000);
  expect([statusOf(world), moved()]).toEqual(["completed", ["n3"]]);
  label("n2", {});
  world.run(60_000);
  expect([statusOf(world), moved()]).toEqual(["completed", ["n2", "n3"]]);
  expect(new Set(at().values())).toEqual(new Set(["n1"]));
});

test("services that ended for good are updated slot by slot too", () => {
  const done: Fate = (task) => (task.ranAt === undefined ? "running" : "complete");
  const world = worldOf(4, { restart: { condition: "none" }, update: { failureAction: "continue" } }, done);
  expect(world.tasks().map((task) => task.status.state)).toEqual(Array(4).fill("complete"));
  let most = 0;
  world.watch = () => {
    const flying = world.tasks().filter((task) => isNew(task) && task.ranAt === undefined);
    most = Math.max(most, flying.length);
  };
  force(world);
  world.run(60_000, done);
  expect(world.tasks().filter((task) => isNew(task) && task.status.state === "complete")).toHaveLength(4);
  expect(most).toBe(1);
});
