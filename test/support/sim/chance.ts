import { type Random, seededRandom } from "../../../src/lib/index.ts";

/** Repeatable chance. A fork by name is a stream of its own: what one part draws does not move what another gets. */
export class Chance {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#state = this.#seed;
  }

  fork(name: string): Chance {
    return new Chance(hash(`${this.#seed}/${name}`));
  }

  /** Chance in the words of the production code. */
  random(): Random {
    return seededRandom(this.int(2 ** 32));
  }

  /** A number in [0, 1) (mulberry32). */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  int(limit: number): number {
    return Math.floor(this.float() * limit);
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.float();
  }

  /** True `share` of the time. */
  often(share: number): boolean {
    return this.float() < share;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** One of the keys, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries<number>(weights);
    let left = this.float() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key as K;
    }
    return entries.at(-1)?.[0] as K;
  }

  /** The time until the next of things that come `mean` apart on average, by themselves. */
  wait(mean: number): number {
    return -mean * Math.log(1 - this.float());
  }
}

/** FNV-1a. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
