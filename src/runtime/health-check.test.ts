import { describe, expect, test } from "vitest";
import type { HealthCheck } from "./health.ts";
import { mergeHealthCheck, probeOf } from "./health-check.ts";

const ZERO: HealthCheck = {
  ...{ test: [], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 },
};
const IMAGE = {
  Shell: ["/bin/bash", "-c"],
  Healthcheck: { Test: ["CMD-SHELL", "look"], Interval: 7e9, Timeout: 2.5e8, StartPeriod: 1e9, Retries: 9 },
};

describe("the config's check is laid over the image's", () => {
  test("number by number", () => {
    expect(mergeHealthCheck({ ...ZERO, intervalMs: 100, startIntervalMs: 5, retries: 1 }, IMAGE)).toEqual({
      test: ["CMD-SHELL", "look"],
      ...{ intervalMs: 100, timeoutMs: 250, startPeriodMs: 1_000, startIntervalMs: 5, retries: 1 },
    });
    expect(mergeHealthCheck({ ...ZERO, test: ["CMD", "mine"] }, IMAGE)?.test).toEqual(["CMD", "mine"]);
    expect(mergeHealthCheck({ ...ZERO, test: ["NONE"] }, IMAGE)?.test).toEqual(["NONE"]);
  });

  test("one alone stands; none is none", () => {
    expect(mergeHealthCheck(undefined, IMAGE)).toEqual({
      test: ["CMD-SHELL", "look"],
      ...{ intervalMs: 7_000, timeoutMs: 250, startPeriodMs: 1_000, startIntervalMs: 0, retries: 9 },
    });
    expect(mergeHealthCheck(ZERO, {})).toEqual(ZERO);
    for (const image of [{}, { Healthcheck: null }, { Healthcheck: "x" }]) {
      expect(mergeHealthCheck(undefined, image)).toBeUndefined();
    }
    expect(mergeHealthCheck(undefined, { Healthcheck: { Test: 3, Interval: "x" } })).toEqual(ZERO);
  });
});

describe("what is run", () => {
  test("has Docker's numbers where nobody says any", () => {
    expect(probeOf({ ...ZERO, test: ["CMD", "a", "b"] }, IMAGE)).toEqual({
      args: ["a", "b"],
      ...{ intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5_000, retries: 3 },
    });
    expect(probeOf({ ...ZERO, test: ["CMD", "a"], timeoutMs: 1, retries: 1 }, {})).toMatchObject({
      ...{ timeoutMs: 1, retries: 1 },
    });
  });

  test("is a line for the image's shell, or for sh", () => {
    const check = { ...ZERO, test: ["CMD-SHELL", "a | b"] };
    expect(probeOf(check, IMAGE)?.args).toEqual(["/bin/bash", "-c", "a | b"]);
    expect(probeOf(check, { Shell: [] })?.args).toEqual(["/bin/sh", "-c", "a | b"]);
  });

  test.each([[undefined], [[]], [["NONE"]], [["CMD"]], [["HTTP", "/"]]])("is nothing for %j", (words) => {
    expect(probeOf(words && { ...ZERO, test: words }, IMAGE)).toBeUndefined();
  });
});
