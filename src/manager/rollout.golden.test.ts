import { describe, expect, test } from "vitest";
import { DEFAULT_UPDATE, type Service, type UpdateConfig } from "../model/index.ts";
import { aNode } from "../model/objects.fake.ts";
import { tellStory } from "./story.fake.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** Rolling updates told as stories: all deciders at work, agents that take two seconds to start a container. */

const isNew = ({ spec }: { spec: { forceUpdate: number } }): boolean => spec.forceUpdate > 0;

const slowly: Fate = (task, now) => (now - task.createdAt < 2_000 ? "preparing" : "running");
/** New tasks run for a second, then end with 1. */
const newCrash: Fate = (task, now) => {
  if (!isNew(task) || task.ranAt === undefined) return slowly(task, now);
  return now - task.ranAt >= 1_000 ? "failed" : "running";
};

function worldOf(replicas: number, update: Partial<UpdateConfig>, rollback?: Partial<UpdateConfig>): World {
  const base = webService(replicas);
  const spec: Service["spec"] = {
    ...base.spec,
    update: { ...DEFAULT_UPDATE, ...update },
    ...(rollback && { rollback: { ...DEFAULT_UPDATE, ...rollback } }),
  };
  const world = newWorld([aNode("n1"), aNode("n2"), aNode("n3")], [{ ...base, spec }]);
  world.run(1_000);
  world.complaint = (_, state) =>
    state === "failed" ? "task: non-zero exit (1): no DATABASE_URL" : undefined;
  return world;
}

function update(world: World): string[] {
  const story = tellStory(world);
  world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: spec.task.forceUpdate + 1 } }));
  return story;
}

describe("a rolling update, as it goes", () => {
  test("stop-first", () => {
    const world = worldOf(2, {});
    const story = update(world);
    world.run(30_000, slowly);
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v0 is told to stop",
        "   0.0 s  web.1 v1 is made, and waits for the old one",
        "   0.0 s  web.1 v0 has ended: shutdown",
        "   0.0 s  web.1 v1 may run",
        "   2.0 s  web.1 v1 runs",
        "   2.0 s  web.2 v0 is told to stop",
        "   2.0 s  web.2 v1 is made, and waits for the old one",
        "   2.0 s  web.2 v0 has ended: shutdown",
        "   2.0 s  web.2 v1 may run",
        "   4.0 s  web.2 v1 runs",
        "   9.0 s  web: completed, update completed",
      ]
    `);
  });

  test("start-first", () => {
    const world = worldOf(2, { order: "start-first" });
    const story = update(world);
    world.run(30_000, slowly);
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v1 is made",
        "   2.0 s  web.1 v1 runs",
        "   2.0 s  web.1 v0 is told to stop",
        "   2.0 s  web.2 v1 is made",
        "   2.0 s  web.1 v0 has ended: shutdown",
        "   4.0 s  web.2 v1 runs",
        "   4.0 s  web.2 v0 is told to stop",
        "   4.0 s  web.2 v0 has ended: shutdown",
        "   9.0 s  web: completed, update completed",
      ]
    `);
  });

  test("two at a time, with a delay", () => {
    const world = worldOf(3, { parallelism: 2, delayMs: 10_000, order: "start-first" });
    const story = update(world);
    world.run(60_000, slowly);
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v1 is made",
        "   0.0 s  web.2 v1 is made",
        "   2.0 s  web.1 v1 runs",
        "   2.0 s  web.2 v1 runs",
        "   2.0 s  web.1 v0 is told to stop",
        "   2.0 s  web.2 v0 is told to stop",
        "   2.0 s  web.1 v0 has ended: shutdown",
        "   2.0 s  web.2 v0 has ended: shutdown",
        "  12.0 s  web.3 v1 is made",
        "  14.0 s  web.3 v1 runs",
        "  14.0 s  web.3 v0 is told to stop",
        "  14.0 s  web.3 v0 has ended: shutdown",
        "  25.0 s  web: completed, update completed",
      ]
    `);
  });

  test("new tasks crash: paused", () => {
    const world = worldOf(3, {});
    const story = update(world);
    world.run(20_000, newCrash);
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v0 is told to stop",
        "   0.0 s  web.1 v1 is made, and waits for the old one",
        "   0.0 s  web.1 v0 has ended: shutdown",
        "   0.0 s  web.1 v1 may run",
        "   2.0 s  web.1 v1 runs",
        "   2.0 s  web.2 v0 is told to stop",
        "   2.0 s  web.2 v1 is made, and waits for the old one",
        "   2.0 s  web.2 v0 has ended: shutdown",
        "   2.0 s  web.2 v1 may run",
        "   3.0 s  web.1 v1 has ended: failed",
        "   3.0 s  web: paused, update paused due to failure or early termination of task id-4: task: non-zero exit (1): no DATABASE_URL",
        "   3.0 s  web.1 v1 is told to stop",
        "   3.0 s  web.1 v1 is made, and waits 5 s",
        "   4.0 s  web.2 v1 runs",
        "   5.0 s  web.2 v1 has ended: failed",
        "   5.0 s  web.2 v1 is told to stop",
        "   5.0 s  web.2 v1 is made, and waits 5 s",
        "   8.0 s  web.1 v1 may run",
        "   8.0 s  web.1 v1 runs",
        "   9.0 s  web.1 v1 has ended: failed",
        "   9.0 s  web.1 v1 is told to stop",
        "   9.0 s  web.1 v1 is made, and waits 10 s",
        "  10.0 s  web.2 v1 may run",
        "  10.0 s  web.2 v1 runs",
        "  11.0 s  web.2 v1 has ended: failed",
        "  11.0 s  web.2 v1 is told to stop",
        "  11.0 s  web.2 v1 is made, and waits 10 s",
        "  19.0 s  web.1 v1 may run",
        "  19.0 s  web.1 v1 runs",
        "  20.0 s  web.1 v1 has ended: failed",
        "  20.0 s  web.1 v1 is told to stop",
        "  20.0 s  web.1 v1 is made, and waits 20 s",
      ]
    `);
  });

  test("new tasks crash: rolled back, all at once as the rollback's own rules say", () => {
    const world = worldOf(
      3,
      { failureAction: "rollback", parallelism: 2 },
      { parallelism: 0, monitorMs: 7_000 },
    );
    const story = update(world);
    world.run(30_000, newCrash);
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v0 is told to stop",
        "   0.0 s  web.1 v1 is made, and waits for the old one",
        "   0.0 s  web.2 v0 is told to stop",
        "   0.0 s  web.2 v1 is made, and waits for the old one",
        "   0.0 s  web.1 v0 has ended: shutdown",
        "   0.0 s  web.2 v0 has ended: shutdown",
        "   0.0 s  web.1 v1 may run",
        "   0.0 s  web.2 v1 may run",
        "   2.0 s  web.1 v1 runs",
        "   2.0 s  web.2 v1 runs",
        "   2.0 s  web.3 v0 is told to stop",
        "   2.0 s  web.3 v1 is made, and waits for the old one",
        "   2.0 s  web.3 v0 has ended: shutdown",
        "   2.0 s  web.3 v1 may run",
        "   3.0 s  web.1 v1 has ended: failed",
        "   3.0 s  web.2 v1 has ended: failed",
        "   3.0 s  web: rollback_started, update rolled back due to failure or early termination of task id-4: task: non-zero exit (1): no DATABASE_URL",
        "   3.0 s  web.1 v1 is told to stop",
        "   3.0 s  web.1 v0 is made",
        "   3.0 s  web.2 v1 is told to stop",
        "   3.0 s  web.2 v0 is made",
        "   3.0 s  web.3 v1 is told to stop",
        "   3.0 s  web.3 v0 is made, and waits for the old one",
        "   3.0 s  web.3 v1 has ended: shutdown",
        "   3.0 s  web.3 v0 may run",
        "   5.0 s  web.1 v0 runs",
        "   5.0 s  web.2 v0 runs",
        "   5.0 s  web.3 v0 runs",
        "  12.0 s  web: rollback_completed, rollback completed: update rolled back due to failure or early termination of task id-4: task: non-zero exit (1): no DATABASE_URL",
      ]
    `);
  });

  test("one replica, start-first, and a pull that never ends: the old task stays", () => {
    const world = worldOf(1, { order: "start-first" });
    world.complaint = (_, state) => (state === "preparing" ? "pulling app:2" : undefined);
    const story = update(world);
    world.run(700_000, (task) => (isNew(task) ? "preparing" : "running"));
    expect(story).toMatchInlineSnapshot(`
      [
        "   0.0 s  web: updating, update in progress",
        "   0.0 s  web.1 v1 is made",
        " 600.0 s  web: paused, update paused due to failure or early termination of task id-2: not running after 10 min, still preparing: pulling app:2",
      ]
    `);
    expect(world.running().map(isNew)).toEqual([false]);
  });
});
