import { describe, expect, test } from "vitest";
import type { Instant } from "../lib/index.ts";
import {
  DEFAULT_UPDATE,
  isTerminal,
  type RestartPolicy,
  type Task,
  type UpdateConfig,
} from "../model/index.ts";
import { aNode } from "../model/objects.fake.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** What a service lives through, with all deciders at work and agents that do as they are told. */

const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];

function worldOf(
  replicas: number,
  update: Partial<UpdateConfig> = {},
  restart: Partial<RestartPolicy> = {},
): World {
  const base = webService(replicas);
  const { task } = base.spec;
  const spec = {
    ...base.spec,
    update: { ...DEFAULT_UPDATE, ...update },
    task: { ...task, restart: { ...task.restart, ...restart } },
  };
  const world = newWorld(nodes, [{ ...base, spec }]);
  world.run(1_000);
  expect(world.running()).toHaveLength(replicas);
  return world;
}

const isNew = (task: Task): boolean => task.spec.forceUpdate === 1;
const force = (world: World): void =>
  world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: 1 } }));
const statusOf = (world: World): string | undefined => world.service().updateStatus?.state;

/** The least and the most tasks that ran at once from now on. */
function watchRunning(world: World): { least: number; most: number } {
  const seen = { least: Number.POSITIVE_INFINITY, most: 0 };
  world.watch = () => {
    const running = world.tasks().filter((task) => task.status.state === "running").length;
    seen.least = Math.min(seen.least, running);
    seen.most = Math.max(seen.most, running);
  };
  return seen;
}

/** When each new task came to run, in seconds from `since`. */
function landings(world: World, since: Instant): number[] {
  const at = world
    .tasks()
    .flatMap((t) => (isNew(t) && t.ranAt !== undefined ? [(t.ranAt - since) / 1000] : []));
  return at.sort((a, b) => a - b);
}

describe("a rolling update", () => {
  test("stop-first takes one task away at a time", () => {
    const world = worldOf(4);
    const seen = watchRunning(world);
    force(world);
    world.run(10_000);
    expect(world.running().filter(isNew)).toHaveLength(4);
    expect(statusOf(world)).toBe("completed");
    expect(seen).toEqual({ least: 3, most: 4 });
  });

  test("start-first never has fewer than before", () => {
    const world = worldOf(4, { order: "start-first" });
    const seen = watchRunning(world);
    force(world);
    world.run(10_000);
    expect(world.running().filter(isNew)).toHaveLength(4);
    expect(statusOf(world)).toBe("completed");
    expect(seen).toEqual({ least: 4, most: 5 });
  });

  test("waits for the delay between slots, and takes as many at once as parallelism says", () => {
    const world = worldOf(6, { parallelism: 2, delayMs: 10_000 });
    const began = world.now;
    force(world);
    world.run(15_000);
    expect(landings(world, began)).toEqual([0, 0, 10, 10]);
    expect(statusOf(world)).toBe("updating");
    world.run(20_000);
    expect(landings(world, began)).toEqual([0, 0, 10, 10, 20, 20]);
    expect(world.service().updateStatus).toMatchObject({ state: "completed", message: "update completed" });
    expect((world.service().updateStatus?.completedAt ?? 0) - began).toBe(31_000);
  });

  test("parallelism 0 takes all at once", () => {
    const world = worldOf(5, { parallelism: 0 });
    const seen = watchRunning(world);
    force(world);
    world.run(10_000);
    expect(statusOf(world)).toBe("completed");
    expect(seen.least).toBe(0);
  });

  test("an update during an update goes on with the newest words only", () => {
    const world = worldOf(4, { delayMs: 10_000 });
    force(world);
    world.run(12_000);
    expect(world.running().filter(isNew)).toHaveLength(2);
    world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: 2 } }));
    world.run(60_000);
    expect(world.running().map((task) => task.spec.forceUpdate)).toEqual([2, 2, 2, 2]);
    expect(statusOf(world)).toBe("completed");
  });

  test("scaling while it runs", () => {
    const world = worldOf(3, { delayMs: 10_000 });
    force(world);
    world.run(5_000);
    world.update((spec) => ({ ...spec, mode: { kind: "replicated", replicas: 5 } }));
    world.run(60_000);
    expect(world.running().filter(isNew)).toHaveLength(5);
    expect(statusOf(world)).toBe("completed");
  });
});

describe("an update that fails", () => {
  const newFail: Fate = (task) => (isNew(task) ? "failed" : "running");
  const newRejected: Fate = (task) => (isNew(task) ? "rejected" : "running");
  const fates = [
    ["failed", newFail],
    ["rejected", newRejected],
  ] as const;

  test.each(fates)("is paused by default, the other slots untouched: %s", (_, fate) => {
    const world = worldOf(4);
    force(world);
    world.run(60_000, fate);
    expect(world.service().updateStatus?.state).toBe("paused");
    expect(world.service().updateStatus?.message).toMatch(
      /^update paused due to failure or early termination of task id-\d+: it was (failed|rejected)$/,
    );
    // One that ran for an instant made room for the next slot.
    expect(world.running().filter((t) => !isNew(t))).toHaveLength(fate === newFail ? 2 : 3);
  });

  test.each(fates)("rolls back when told to: %s", (_, fate) => {
    const world = worldOf(4, { failureAction: "rollback" });
    force(world);
    world.run(60_000, fate);
    expect(world.service().updateStatus?.state).toBe("rollback_completed");
    expect(world.service().updateStatus?.message).toMatch(
      /^rollback completed: update rolled back due to failure or early termination of task id-\d+: it was/,
    );
    expect(world.running().filter((t) => !isNew(t))).toHaveLength(4);
    expect(world.service().previousSpec).toBeUndefined();
  });

  test("a rollback that fails too is paused", () => {
    const world = worldOf(4, { failureAction: "rollback" });
    force(world);
    const since = world.now;
    world.run(120_000, (task) => (task.createdAt >= since ? "failed" : "running"));
    expect(world.service().updateStatus?.state).toBe("rollback_paused");
  });

  test.each(fates)("continue goes through all slots and ends: %s", (_, fate) => {
    const world = worldOf(4, { failureAction: "continue" });
    force(world);
    world.run(60_000, fate);
    expect(statusOf(world)).toBe("completed");
    expect(world.running().filter((t) => !isNew(t))).toHaveLength(0);
  });

  test("continue stops no second task for one that has no place: it is paused, and says why", () => {
    const world = worldOf(3, { failureAction: "continue" });
    const placement = { constraints: ["node.labels.never==here"], preferences: [], maxReplicas: 0 };
    world.update((spec) => ({
      ...spec,
      task: { ...spec.task, forceUpdate: 1, placement: { ...spec.task.placement, ...placement } },
    }));
    world.run(3_600_000);
    expect(world.running()).toHaveLength(2);
    expect(world.service().updateStatus).toMatchObject({
      state: "paused",
      message: expect.stringMatching(/^update paused due to .*: not running after 10 min.*no suitable node/),
    });
  });

  test("start-first keeps the old tasks, and tries again at the pace of the restart delay", () => {
    const world = worldOf(3, { failureAction: "continue", order: "start-first" });
    const known = new Set<string>();
    force(world);
    world.watch = () => {
      for (const { id } of world.tasks()) known.add(id);
      expect(world.running().length).toBe(3);
    };
    world.run(60_000, newRejected);
    expect(known.size).toBeLessThanOrEqual(3 * 15);
    expect(world.running().filter(isNew)).toHaveLength(0);
  });

  test("start-first with restart condition none tries each slot once", () => {
    const world = worldOf(3, { failureAction: "continue", order: "start-first" }, { condition: "none" });
    force(world);
    world.run(60_000, newRejected);
    expect(world.tasks().filter(isNew)).toHaveLength(3);
    expect(world.running().filter((t) => !isNew(t))).toHaveLength(3);
    expect(statusOf(world)).toBe("completed");
  });

  test("one slot in four that fails again and again is one failure, not many", () => {
    const world = worldOf(4, { maxFailureRatio: 0.3 });
    force(world);
    world.run(60_000, (task) => (isNew(task) && task.slot === 2 ? "failed" : "running"));
    expect(statusOf(world)).toBe("completed");
    expect(world.running().filter(isNew)).toHaveLength(3);
  });

  test("a task that took long to come up and then crashed at once counts", () => {
    const world = worldOf(2);
    force(world);
    world.run(60_000, (task, now) => {
      if (!isNew(task)) return "running";
      if (now - task.createdAt < 30_000) return "preparing";
      return now - task.createdAt < 31_000 ? "running" : "failed";
    });
    expect(statusOf(world)).toBe("paused");
  });

  test("a task that crashes after the monitor time is no failure of the update", () => {
    const world = worldOf(2);
    force(world);
    world.run(60_000, (task, now) =>
      isNew(task) && task.ranAt !== undefined && now - task.ranAt > 6_000 ? "failed" : "running",
    );
    expect(statusOf(world)).toBe("completed");
  });
});

describe("restarts", () => {
  test.each(["failed", "rejected"] as const)(
    "a task that is always %s is tried after 5, 10, 20 and 40 seconds",
    (state) => {
      const world = worldOf(1);
      const known = new Set<string>();
      world.watch = () => {
        for (const { id } of world.tasks()) known.add(id);
      };
      world.run(76_000, () => state);
      expect(known.size).toBe(6);
      expect(world.tasks().length).toBeLessThanOrEqual(6);
    },
  );

  test("a crash loop of fifty replicas costs less with every minute, and is over once it ran well for ten seconds", () => {
    const world = worldOf(50);
    let writes = 0;
    world.watch = (changes) => {
      writes += changes.length;
    };
    const perMinute = Array.from({ length: 12 }, () => {
      const before = writes;
      world.run(60_000, (task) => (task.ranAt === undefined ? "running" : "failed"));
      return (writes - before) / 50;
    });
    // Writes per replica and minute. A restart is seven: made and placed, prepared, let go, runs, ends, told to stop, its record goes.
    const [first = 0, ...later] = perMinute;
    expect(first).toBeLessThanOrEqual(25);
    expect(later.map((each) => (each < 1 ? "none" : each < 8 ? "a restart" : `${each} writes`))).toEqual([
      "a restart",
      "a restart",
      "none",
      "none",
      "a restart",
      "none",
      "none",
      "none",
      "none",
      "a restart",
      "none",
    ]);
    world.run(300_000);
    expect(world.running()).toHaveLength(50);
    // They were well for long: when they fail now, they are back after five seconds.
    world.run(5_000, (task, now) => (now - (task.ranAt ?? now) >= 10_000 ? "failed" : "running"));
    expect(world.running()).toHaveLength(50);
    expect(world.running().every((task) => task.crashes === undefined)).toBe(true);
  });

  test("a bad node is left alone after a few failures, though it is the emptiest", () => {
    const world = worldOf(1);
    const bad = world.running()[0]!.nodeId;
    world.run(160_000, (task) => (task.nodeId === bad ? "failed" : "running"));
    expect(world.running().map((t) => t.nodeId)).not.toContain(bad);
    expect(world.running()).toHaveLength(1);
  });

  test("a dead node's tasks run elsewhere at once; when it comes back, no slot runs twice", () => {
    const world = worldOf(6);
    const lost = world.running().filter((t) => t.nodeId === "n1").length;
    expect(lost).toBe(2);
    world.node("n1", "down");
    world.run(100);
    const wanted = () => world.tasks().filter((t) => t.desiredState === "running");
    expect(wanted().map((t) => [t.status.state, t.nodeId === "n1"])).toEqual(
      Array(6).fill(["running", false]),
    );
    world.node("n1", "ready");
    world.run(10_000);
    const slots = world
      .tasks()
      .filter((t) => !isTerminal(t))
      .map((t) => t.slot);
    expect(slots.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("a drained node is empty at once, each successor waiting for its predecessor's stop", () => {
    const world = worldOf(6);
    const seen = watchRunning(world);
    world.node("n1", "ready", "drain");
    world.run(100);
    expect(world.running().map((t) => t.nodeId)).not.toContain("n1");
    expect(world.running()).toHaveLength(6);
    expect(seen.most).toBe(6);
    world.node("n1", "ready");
    world.run(10_000);
    expect(world.running().map((t) => t.nodeId)).not.toContain("n1");
  });

  test("a node removed by force leaves no record behind that runs", () => {
    const world = worldOf(3);
    const node = world.view.get("node", "n1")!;
    world.write([{ op: "delete", kind: "node", id: "n1", version: node.version }]);
    world.run(10_000);
    expect(world.running()).toHaveLength(3);
    expect(
      world
        .tasks()
        .filter((t) => t.nodeId === "n1")
        .every(isTerminal),
    ).toBe(true);
  });
});
