import type { Clock } from "../lib/index.ts";

/** The longest that setTimeout can wait (24.8 days); it fires at once when told more. */
const LONGEST_MS = 2 ** 31 - 1;

/** The machine's clock and timers. A timer that waits keeps the process alive; who stops cancels his. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(
        () => (left > LONGEST_MS ? wait(left - LONGEST_MS) : fn()),
        Math.min(left, LONGEST_MS),
      );
    };
    wait(ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
