import { cameOf } from "./derived.ts";

/**
 * Rows by key, one or none each, and all that there are in the plain string order of their keys. A list that was asked for never changes;
 * the next one is noted as having come of it.
 */
export class OrderedList<T extends object> {
  readonly #keyOf: (row: T) => string;
  readonly #byKey = new Map<string, T>();
  #last: readonly T[] = [];
  /** Where the last list may differ from what is there now. */
  readonly #touched = new Set<string>();

  constructor(keyOf: (row: T) => string) {
    this.#keyOf = keyOf;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Puts the row of this key there, or none. */
  set(key: string, row: T | undefined): void {
    if (this.#byKey.get(key) === row) return;
    if (row === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, row);
    this.#touched.add(key);
  }

  /** The same list as before when nothing has changed. */
  rows(): readonly T[] {
    const [last, edits] = [this.#last, this.#edits()];
    this.#touched.clear();
    const [first] = edits;
    if (first === undefined) return last;
    // What stays is copied in two stretches when, as most often, one row came or went.
    const rows = last.slice(0, first.at);
    let next = first.at;
    for (const { at, had, row } of edits) {
      for (; next < at; next++) rows.push(last[next] as T);
      if (row !== undefined) rows.push(row);
      if (had) next++;
    }
    const ends = { head: first.at, tail: last.length - next };
    this.#last = cameOf(rows.concat(last.slice(next)), last, ends);
    return this.#last;
  }

  /** What differs from the last list, in its order: at a place there was a row of this key, or none, and now there is this one, or none. */
  #edits(): { readonly at: number; readonly had: boolean; readonly row: T | undefined }[] {
    let from = 0;
    return [...this.#touched].sort().flatMap((key) => {
      const at = placeOf(key, this.#last, this.#keyOf, from);
      from = at;
      const there = this.#last[at];
      const had = there !== undefined && this.#keyOf(there) === key;
      const row = this.#byKey.get(key);
      return row === (had ? there : undefined) ? [] : [{ at, had, row }];
    });
  }
}

/** A sorted copy, by plain string order of the key (never by locale). */
export function sortBy<T>(rows: readonly T[], key: (row: T) => string): T[] {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row);
}

/** The first place in a sorted list, from `from` on, that has a key not less than this one. */
function placeOf<T>(key: string, list: readonly T[], keyOf: (row: T) => string, from: number): number {
  let [low, high] = [from, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(list[middle] as T) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
