import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";

const DAY_MS = 24 * 3600 * 1000;

afterEach(() => {
  vi.useRealTimers();
});

test("after() waits longer than one setTimeout can", () => {
  vi.useFakeTimers();
  let fired = 0;
  systemClock.after(60 * DAY_MS, () => fired++);
  vi.advanceTimersByTime(60 * DAY_MS - 1);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(1);
});

test("after() can be cancelled at any leg of a long wait", () => {
  vi.useFakeTimers();
  let fired = 0;
  const timer = systemClock.after(60 * DAY_MS, () => fired++);
  vi.advanceTimersByTime(40 * DAY_MS);
  timer.cancel();
  vi.advanceTimersByTime(100 * DAY_MS);
  expect(fired).toBe(0);
});
