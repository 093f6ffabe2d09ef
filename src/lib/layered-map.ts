/** A map that can be forked for nothing: a fork holds only what was set in it. What it stands on must not move meanwhile. */
export class LayeredMap<V> {
  readonly #own = new Map<string, V | undefined>();
  readonly #below: LayeredMap<V> | undefined;

  constructor(below?: LayeredMap<V>) {
    this.#below = below;
  }

  get(key: string): V | undefined {
    const own = this.#own.get(key);
    if (own !== undefined || this.#below === undefined) return own;
    return this.#own.has(key) ? undefined : this.#below.get(key);
  }

  /** Undefined takes the key out. */
  set(key: string, value: V | undefined): void {
    if (value === undefined && this.#below === undefined) this.#own.delete(key);
    else this.#own.set(key, value);
  }

  fork(): LayeredMap<V> {
    return new LayeredMap(this);
  }
}

/** Adds to a count; a count of nothing is not there. Returns the new count. */
export function addCount(counts: LayeredMap<number>, key: string, step: number): number {
  const now = counts.get(key) ?? 0;
  const next = now + step;
  if (next !== now) counts.set(key, next === 0 ? undefined : next);
  return next;
}
