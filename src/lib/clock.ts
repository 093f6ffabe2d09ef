import { Fault } from "./errors.ts";

/** Milliseconds since 1970-01-01 UTC. */
export type Instant = number;

export interface Timer {
  cancel(): void;
}

/** Time, by the door: the real one is sys/clock.ts, tests turn a FakeClock. */
export interface Clock {
  now(): Instant;
  /** Calls `fn` once, `ms` from now, unless cancelled. */
  after(ms: number, fn: () => void): Timer;
}

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** `work`'s result, or a "timeout" Fault with `message` when `ms` pass first. `work` is told by its signal. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  message: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const aborter = new AbortController();
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.after(ms, () => {
      const fault = new Fault("timeout", message);
      aborter.abort(fault);
      reject(fault);
    });
  });
  try {
    return await Promise.race([work(aborter.signal), late]);
  } finally {
    timer?.cancel();
  }
}
