/**
 * Puts rows in order, by plain string order of a key that each has for itself, and remembers how: the next time most of them are
 * the same objects, and only the others have to find their places. Rows that are all the same come back as the same list.
 */
export class OrderedList<T extends object> {
  readonly #keyOf: (row: T) => string;
  #last: readonly T[] = [];

  constructor(keyOf: (row: T) => string) {
    this.#keyOf = keyOf;
  }

  sort(rows: readonly T[]): readonly T[] {
    const fresh = new Set(rows);
    const kept = this.#last.filter((row) => fresh.delete(row));
    if (fresh.size > 0 || kept.length < this.#last.length)
      this.#last = this.#merged(kept, sortBy([...fresh], this.#keyOf));
    return this.#last;
  }

  #merged(kept: readonly T[], fresh: readonly T[]): T[] {
    const merged: T[] = [];
    let next = 0;
    for (const row of fresh) {
      const key = this.#keyOf(row);
      for (let old = kept[next]; old !== undefined && this.#keyOf(old) < key; old = kept[++next])
        merged.push(old);
      merged.push(row);
    }
    return [...merged, ...kept.slice(next)];
  }
}

/** A sorted copy, by plain string order of the key (never by locale). */
export function sortBy<T>(rows: readonly T[], key: (row: T) => string): T[] {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row);
}
