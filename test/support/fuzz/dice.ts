import { type Random, randomInt, seededRandom } from "../../../src/lib/index.ts";

/** Repeatable choices. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** In [0, limit). */
  below(limit: number): number {
    return randomInt(this.#random, limit);
  }

  /** True once in so many times. */
  once(inSo: number): boolean {
    return this.below(inSo) === 0;
  }

  of<T>(all: readonly T[]): T {
    const one = all[this.below(all.length)];
    if (all.length === 0) throw new Error("there is nothing to choose from");
    return one as T;
  }

  /** So many, fewer than the limit, more often few. */
  some<T>(limit: number, make: () => T): T[] {
    return Array.from({ length: this.below(this.below(limit) + 1) }, make);
  }
}
