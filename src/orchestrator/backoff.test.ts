import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_RESTART, type RestartPolicy, type Task, type TaskState } from "../model/index.ts";
import { aService, aTask, aTaskSpec, T0 } from "../model/objects.fake.ts";
import { historyAfter, MAX_BACKOFF_MS, mayRestart, restartDelay } from "./backoff.ts";

function aDead(state: TaskState, restart: Partial<RestartPolicy> = {}, rest: Partial<Task> = {}): Task {
  const spec = { ...aTaskSpec, restart: { ...DEFAULT_RESTART, ...restart } };
  const status = { at: T0, state, message: "" };
  return aTask(aService("web", { task: spec }), 1, { status, endedAt: T0, ...rest });
}

describe("restartDelay()", () => {
  const seconds = (delayMs: number) =>
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 2000].map((n) => restartDelay({ ...DEFAULT_RESTART, delayMs }, n) / 1000);

  test.each([
    // delay, then the wait after 0, 1, 2, … failures in a row, in seconds
    ["5 s", 5_000, [5, 5, 10, 20, 40, 80, 160, 300, 300, 300]],
    ["none", 0, [0, 0, 1, 2, 4, 8, 16, 32, 64, 300]],
    ["a blink", 100, [0.1, 0.1, 1, 2, 4, 8, 16, 32, 64, 300]],
    ["4 min", 240_000, [240, 240, 300, 300, 300, 300, 300, 300, 300, 300]],
    ["an hour", 3_600_000, Array(10).fill(3600)],
  ])("delay %s", (_, delayMs, expected) => {
    expect(seconds(delayMs)).toEqual(expected);
  });

  test("never shrinks, is never less than the policy's delay, and never more than that or five minutes", () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.nat(5_000), (delayMs, crashes) => {
        const policy = { ...DEFAULT_RESTART, delayMs };
        const wait = restartDelay(policy, crashes);
        expect(wait).toBeGreaterThanOrEqual(delayMs);
        expect(wait).toBeLessThanOrEqual(Math.max(delayMs, MAX_BACKOFF_MS));
        expect(restartDelay(policy, crashes + 1)).toBeGreaterThanOrEqual(wait);
      }),
    );
  });
});

describe("historyAfter()", () => {
  test.each([
    ["an end at once counts", aDead("failed", {}, { ranAt: T0 - 1 }), { crashes: 1 }],
    ["so does one before it ran", aDead("rejected", {}, { crashes: 3 }), { crashes: 4 }],
    ["one with 0 is no failure", aDead("complete", {}, { crashes: 3, ranAt: T0 - 1 }), {}],
    ["who ran ten seconds starts afresh", aDead("failed", {}, { crashes: 3, ranAt: T0 - 10_000 }), {}],
    ["who was told to go has not failed", aDead("shutdown", {}, { crashes: 3 }), { crashes: 3 }],
    ["nor who lost its node", aDead("orphaned", {}, { crashes: 1, ranAt: T0 - 1 }), { crashes: 1 }],
    [
      "attempts that are limited are remembered",
      aDead("failed", { maxAttempts: 3 }, { crashes: 1, restarts: [7] }),
      { crashes: 2, restarts: [7, T0] },
    ],
    [
      "as far as they count",
      aDead("failed", { maxAttempts: 2 }, { restarts: [7, 8] }),
      { crashes: 1, restarts: [8, T0] },
    ],
    [
      "and as far as they are in the window",
      aDead("failed", { maxAttempts: 9, windowMs: 10 }, { restarts: [T0 - 10, T0 - 9] }),
      { crashes: 1, restarts: [T0 - 9, T0] },
    ],
    [
      "a lost node is no attempt",
      aDead("orphaned", { maxAttempts: 2 }, { restarts: [7] }),
      { restarts: [7] },
    ],
  ])("%s", (_, task, expected) => {
    expect(historyAfter(task, T0)).toEqual(expected);
  });
});

describe("mayRestart()", () => {
  const job = { mode: "replicated-job" } as const;
  const tries = (maxAttempts: number, windowMs: number, ...secondsAgo: number[]) =>
    aDead("failed", { maxAttempts, windowMs }, { restarts: secondsAgo.map((s) => T0 - s * 1000) });

  test.each([
    ["none", "failed", {}, false],
    ["none", "orphaned", {}, true],
    ["on-failure", "failed", {}, true],
    ["on-failure", "complete", {}, false],
    ["any", "complete", {}, true],
    ["any", "complete", job, false],
    ["any", "failed", job, true],
  ] as const)("condition %s, %s %j: %s", (condition, state, rest, expected) => {
    expect(mayRestart(aDead(state, { condition }, rest))).toBe(expected);
  });

  test.each([
    ["no restart yet", tries(1, 0), true],
    ["the last one was made", tries(1, 0, 5), false],
    ["two of three", tries(3, 0, 500, 5), true],
    ["three of three", tries(3, 0, 5000, 500, 5), false],
    ["three, two of them in the window", tries(3, 60_000, 70, 50, 5), true],
    ["three in the window", tries(3, 60_000, 59, 50, 5), false],
  ])("attempts: %s", (_, task, expected) => {
    expect(mayRestart(task)).toBe(expected);
  });
});
