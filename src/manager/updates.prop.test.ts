import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DEFAULT_UPDATE,
  isTerminal,
  isWanted,
  type ServiceMode,
  stateRank,
  type Task,
  type UpdateConfig,
} from "../model/index.ts";
import { aNode } from "../model/objects.fake.ts";
import type { ObjectChange } from "../store/index.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

/** Rolling updates, whatever their rules and whatever becomes of the tasks. */

const NODES = ["n1", "n2", "n3", "n4"];
/** Longer than six slots that time out one by one, on the way there and on the way back. */
const LONG = 3 * 3_600_000;

const aRule: fc.Arbitrary<UpdateConfig> = fc.record({
  parallelism: fc.nat(3),
  delayMs: fc.constantFrom(0, 3_000, 20_000),
  failureAction: fc.constantFrom("pause" as const, "continue" as const, "rollback" as const),
  monitorMs: fc.constantFrom(1, 5_000, 30_000),
  maxFailureRatio: fc.constantFrom(0, 0.3, 1),
  order: fc.constantFrom("stop-first" as const, "start-first" as const),
});
const aMode: fc.Arbitrary<ServiceMode> = fc.oneof(
  fc.constant({ kind: "global" as const }),
  fc.record({ kind: fc.constant("replicated" as const), replicas: fc.integer({ min: 1, max: 6 }) }),
);
const aFate = fc.constantFrom<ReturnType<Fate>[]>("running", "complete", "failed", "rejected", "preparing");
/** What becomes of the tasks of each update's words, by the last digits of their ids; what runs when nothing is updated is well. */
const fates = fc.array(fc.array(aFate, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });

const generation = (task: Task): number => task.spec.forceUpdate;

function worldOf(mode: ServiceMode, update: UpdateConfig, rollback: UpdateConfig): World {
  const base = webService(1);
  const spec = { ...base.spec, mode, update, rollback };
  const world = newWorld(
    NODES.map((id) => aNode(id)),
    [{ ...base, spec }],
  );
  world.run(1_000);
  return world;
}

function force(world: World): void {
  world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: spec.task.forceUpdate + 1 } }));
}

function fateOf(of: readonly (readonly ReturnType<Fate>[])[]): Fate {
  return (task) => {
    const choice = of[generation(task) - 1];
    return choice?.[Number(task.id.slice(3)) % choice.length] ?? "running";
  };
}

const statusOf = (world: World): string => world.service().updateStatus?.state ?? "none";
const isUnderWay = (world: World): boolean => ["updating", "rollback_started"].includes(statusOf(world));

/** Slots that this update has taken and that have not come to anything yet. Restarted ones (they have a delay) are no work of its own. */
function inFlight(world: World): Task[] {
  const { specVersion } = world.service();
  return world
    .tasks()
    .filter(
      (task) =>
        task.replaces !== undefined &&
        task.specVersion === specVersion &&
        task.notBefore === undefined &&
        isWanted(task) &&
        stateRank(task.status.state) < stateRank("running"),
    );
}

function rulesOf(world: World): UpdateConfig {
  const { spec } = world.service();
  return (statusOf(world) === "rollback_started" ? spec.rollback : spec.update) ?? DEFAULT_UPDATE;
}

/** Fifty histories take a minute, and several where other work keeps the processors. */
const PATIENCE = { timeout: 600_000 };

describe("a rolling update", PATIENCE, () => {
  test("never has more slots in flight than parallelism says, and ends: done, rolled back or paused", () => {
    fc.assert(
      fc.property(aMode, aRule, aRule, fates, fc.nat(60), (mode, update, rollback, of, seconds) => {
        const world = worldOf(mode, update, rollback);
        world.watch = () => {
          const { parallelism } = rulesOf(world);
          if (!isUnderWay(world) || parallelism === 0) return;
          const late = inFlight(world).filter((task) => world.now - task.createdAt >= 600_000);
          expect(inFlight(world).length - late.length).toBeLessThanOrEqual(parallelism);
        };
        for (const _ of of) {
          force(world);
          world.run(seconds * 1_000, fateOf(of));
        }
        world.run(LONG, fateOf(of), 60_000);
        expect(isUnderWay(world)).toBe(false);
        expect(world.plan().changes).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("start-first: who ran when it began is gone only where its successor came to run", () => {
    fc.assert(
      fc.property(aMode, aRule, aRule, fates, (mode, update, rollback, of) => {
        const first = { ...update, order: "start-first" as const };
        const world = worldOf(mode, first, { ...rollback, order: "start-first" });
        const slots = world.running().length;
        world.watch = (changes) => {
          for (const { before, after } of changes.filter(isStopped)) {
            const old = before as Task;
            const heir = world
              .tasks()
              .some((t) => t.id !== old.id && placeOf(t) === placeOf(old) && t.status.state === "running");
            expect(heir, `${(after as Task).id} was told to stop, and nothing runs in its place`).toBe(true);
          }
        };
        for (const _ of of) {
          force(world);
          world.run(20_000, fateOf(of));
        }
        // Words that cannot run cost nobody anything.
        if (of.flat().every((fate) => fate === "rejected" || fate === "preparing")) {
          expect(world.running()).toHaveLength(slots);
        }
      }),
      { numRuns: 80 },
    );
  });

  test("stop-first: never more slots without a running task than parallelism, when all tasks are well", () => {
    fc.assert(
      fc.property(
        aMode,
        aRule,
        fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }),
        (mode, update, seconds) => {
          const parallelism = Math.max(1, update.parallelism);
          const rules = { ...update, parallelism, order: "stop-first" as const };
          const world = worldOf(mode, rules, rules);
          const slots = world.running().length;
          const slowly: Fate = (task, now) => (now - task.createdAt < 3_000 ? "preparing" : "running");
          world.watch = () => expect(world.running().length).toBeGreaterThanOrEqual(slots - parallelism);
          for (const s of seconds) {
            force(world);
            world.run(s * 1_000, slowly);
          }
          world.run(600_000, slowly, 5_000);
          expect(statusOf(world)).toBe("completed");
          expect(world.running().map(generation)).toEqual(Array(slots).fill(seconds.length));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("words that always fail cost no more slots than the ratio and parallelism allow", () => {
    const badFate = fc.constantFrom("failed" as const, "rejected" as const);
    fc.assert(
      fc.property(aMode, aRule, badFate, (mode, update, bad) => {
        const rules = {
          ...update,
          failureAction: "pause" as const,
          parallelism: Math.max(1, update.parallelism),
        };
        const world = worldOf(mode, rules, rules);
        const slots = world.running().length;
        force(world);
        world.run(600_000, (task) => (generation(task) > 0 ? bad : "running"), 5_000);
        const failed = new Set(
          world
            .tasks()
            .filter((t) => generation(t) > 0)
            .map(placeOf),
        ).size;
        // The failure that breaks the ratio, those allowed before it, and what was begun meanwhile: who ran for an instant
        // has made room for another.
        const allowed = Math.floor(rules.maxFailureRatio * slots) + 1;
        expect(failed).toBeLessThanOrEqual(
          Math.min(slots, allowed + rules.parallelism * (bad === "failed" ? 2 : 1)),
        );
        if (rules.maxFailureRatio < 1) expect(statusOf(world)).toBe("paused");
      }),
      { numRuns: 60 },
    );
  });
});

const placeOf = ({ mode, slot, nodeId }: Task): string => (mode === "global" ? (nodeId ?? "") : String(slot));

/** A running, wanted task that was told to go. */
function isStopped({ kind, before, after }: ObjectChange): boolean {
  if (kind !== "task" || before === undefined || after === undefined) return false;
  const [old, now] = [before as Task, after as Task];
  return old.status.state === "running" && isWanted(old) && !isWanted(now) && !isTerminal(now);
}
