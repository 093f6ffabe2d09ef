import { cameOf } from "./derived.ts";

/**
 * Rows by key, one or none each, and all that there are in the plain string order of their keys. A list that was asked for never changes;
 * the next one is noted as having come of it.
 */
export class OrderedList<T extends object> {
  readonly #keyOf: (row: T) => string;
  readonly #byKey = new Map<string, T>();
  #last: readonly T[] = [];
  /** What the last list has and should not, and the other way round. */
  #gone = new Set<T>();
  #fresh = new Set<T>();

  constructor(keyOf: (row: T) => string) {
    this.#keyOf = keyOf;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Puts the row of this key there, or none. */
  set(key: string, row: T | undefined): void {
    const before = this.#byKey.get(key);
    if (before === row) return;
    if (before !== undefined && !this.#fresh.delete(before)) this.#gone.add(before);
    if (row === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, row);
    if (row !== undefined && !this.#gone.delete(row)) this.#fresh.add(row);
  }

  /** The same list as before when nothing has changed. */
  rows(): readonly T[] {
    const [gone, fresh] = [this.#gone, this.#fresh];
    if (gone.size + fresh.size === 0) return this.#last;
    const kept = gone.size === 0 ? this.#last : this.#last.filter((row) => !gone.has(row));
    this.#last = cameOf(this.#merged(kept, sortBy([...fresh], this.#keyOf)), this.#last);
    [this.#gone, this.#fresh] = [new Set(), new Set()];
    return this.#last;
  }

  #merged(kept: readonly T[], fresh: readonly T[]): T[] {
    const merged: T[] = [];
    let next = 0;
    for (const row of fresh) {
      const end = this.#placeOf(row, kept, next);
      for (; next < end; next++) merged.push(kept[next] as T);
      merged.push(row);
    }
    return [...merged, ...kept.slice(next)];
  }

  /** The first place, from `from` on, that has a key not less than the row's. */
  #placeOf(row: T, kept: readonly T[], from: number): number {
    const key = this.#keyOf(row);
    let [low, high] = [from, kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#keyOf(kept[middle] as T) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A sorted copy, by plain string order of the key (never by locale). */
export function sortBy<T>(rows: readonly T[], key: (row: T) => string): T[] {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row);
}
