import { describe, expect, test } from "vitest";
import { trySeed } from "../support/sim/explore.ts";
import { MUTANTS } from "../support/sim/mutants.ts";

/** The budget of every change; `npm run sim` has no other rules, only more time. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const HOURS = 1;

test.each(SEEDS)("mixed faults: no rule is broken in the history of seed %d", async (seed) => {
  const { broken } = await trySeed(seed, {}, HOURS);
  expect(broken, `npm run sim -- --seed ${seed} --hours 1 tells more`).toBeUndefined();
});

describe("planted faults", () => {
  test.each(Object.entries(MUTANTS))("%s is found within the same budget", async (_, mutant) => {
    for (const seed of SEEDS) {
      const { broken } = await trySeed(seed, mutant, HOURS);
      if (broken !== undefined) return;
    }
    expect.unreachable("it lives on");
  });
});

test("the same seed is the same history, whatever runs beside it", async () => {
  const [first, second] = await Promise.all([trySeed(3, {}, 0.2), trySeed(3, {}, 0.2)]);
  expect(first).toEqual(second);
});
