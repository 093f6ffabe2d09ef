import type { Clock, Instant, Timer } from "../lib/index.ts";

/** Longest wait of one timer: machines' timers are of 31 bits of milliseconds. */
const MAX_WAIT_MS = 24 * 3600 * 1000;

/** Calls `fn` once at the instant `at`, however far it is, unless stopped before. Returns how to stop. */
export function expiry(clock: Clock, at: Instant, fn: () => void): () => void {
  let timer: Timer = wait();
  function wait(): Timer {
    return clock.after(Math.min(Math.max(0, at - clock.now()), MAX_WAIT_MS), () => {
      if (clock.now() >= at) fn();
      else timer = wait();
    });
  }
  return () => timer.cancel();
}
