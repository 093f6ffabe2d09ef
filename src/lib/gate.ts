import type { Clock } from "./clock.ts";

/** How long somebody waits before he goes on without a place: work that hangs must not hold up everybody behind it. */
export interface Patience {
  readonly ms: number;
  readonly clock: Clock;
}

/** Lets so many pieces of work run at once, and the others wait, in the order they came: as long as it takes, or their patience. */
export class Gate {
  readonly #places: number;
  #free: number;
  readonly #patience: Patience | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(places: number, patience?: Patience) {
    this.#places = places;
    this.#free = places;
    this.#patience = patience;
  }

  /** True while nobody has a place. */
  get isIdle(): boolean {
    return this.#free === this.#places;
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
        timer?.cancel();
        resolve(true);
      };
      const timer = this.#patience?.clock.after(this.#patience.ms, () => {
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
