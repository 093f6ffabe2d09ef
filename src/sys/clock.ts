import type { Clock } from "../lib/index.ts";

/** The machine's clock and timers. A timer that waits keeps the process alive; who stops cancels his. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(timer) };
  },
};
