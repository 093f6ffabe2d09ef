/** At most `limit` holders at a time; the rest wait in order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async with<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  get idle(): boolean {
    return this.#free > 0;
  }
}

/** One holder per key: two pulls never make the same blob or layer at once. */
export class KeyedLocks {
  readonly #slots = new Map<string, Slots>();

  async with<T>(key: string, work: () => Promise<T>): Promise<T> {
    const slots = this.#slots.get(key) ?? new Slots(1);
    this.#slots.set(key, slots);
    try {
      return await slots.with(work);
    } finally {
      if (slots.idle) this.#slots.delete(key);
    }
  }
}
