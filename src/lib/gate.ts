import type { Clock } from "./clock.ts";

/**
 * Lets so many pieces of work run at once, and the others wait, in the order they came. Nobody waits longer than
 * `patienceMs`: work that hangs must not hold up everybody behind it.
 */
export class Gate {
  #free: number;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #waiting = new Set<() => void>();

  constructor(places: number, patienceMs: number, clock: Clock) {
    this.#free = places;
    this.#patienceMs = patienceMs;
    this.#clock = clock;
  }

  /** The work's own result, or what it threw, once it had its turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const hasPlace = await this.#enter();
    try {
      return await work();
    } finally {
      if (hasPlace) this.#leave();
    }
  }

  /** False: the wait was too long, and it goes on without a place. */
  #enter(): Promise<boolean> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const called = () => {
        timer.cancel();
        resolve(true);
      };
      const timer = this.#clock.after(this.#patienceMs, () => {
        this.#waiting.delete(called);
        resolve(false);
      });
      this.#waiting.add(called);
    });
  }

  /** The place goes straight to who waited longest, so that nobody who comes now is before him. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
