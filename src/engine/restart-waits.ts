import type { Clock, Timer } from "../lib/index.ts";

interface Wait {
  readonly ms: number;
  /** Undefined once it is over. */
  readonly timer: Timer | undefined;
}

/** The waits before containers are started anew; the last one of each is known until its restarts are over. */
export class RestartWaits {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isWaiting(id: string): boolean {
    return this.#waits.get(id)?.timer !== undefined;
  }

  /** Milliseconds; 0: there was none. */
  lastOf(id: string): number {
    return this.#waits.get(id)?.ms ?? 0;
  }

  begin(id: string, ms: number, over: () => void): void {
    this.forget(id);
    const timer = this.#clock.after(ms, () => {
      this.#waits.set(id, { ms, timer: undefined });
      over();
    });
    this.#waits.set(id, { ms, timer });
  }

  /** True when it waited. */
  forget(id: string): boolean {
    const wait = this.#waits.get(id);
    this.#waits.delete(id);
    wait?.timer?.cancel();
    return wait?.timer !== undefined;
  }

  forgetAll(): void {
    for (const id of [...this.#waits.keys()]) this.forget(id);
  }
}
