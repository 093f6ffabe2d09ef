import { equal, sharedEnds, spliced } from "../lib/index.ts";

/** Lists by what they came of, one step back. */
const ORIGINS = new WeakMap<readonly unknown[], readonly unknown[]>();

/** Notes that `list` came of `origin` by a few changes: what is derived from one is then derived from the other's. */
export function cameOf<L extends readonly unknown[]>(list: L, origin: L): L {
  // One step is enough, and more would keep every list alive that ever was.
  ORIGINS.delete(origin);
  if (list !== origin) ORIGINS.set(list, origin);
  return list;
}

interface Known<R> {
  readonly words: readonly string[];
  readonly parts: readonly (readonly R[])[];
  readonly made: readonly R[];
}

/**
 * Lists made row by row of other lists, none, one or several of each row. For a list that came of another only the rows that differ are
 * looked at, and when they make the same the result is the same list.
 */
export class Derived<T, R> {
  readonly #make: (row: T, ...words: string[]) => readonly R[];
  readonly #known = new WeakMap<readonly T[], Known<R>>();

  /** `make`: pure. What it takes besides the row are a few words that are the same for all rows. */
  constructor(make: (row: T, ...words: string[]) => readonly R[]) {
    this.#make = make;
  }

  of(rows: readonly T[], ...words: string[]): readonly R[] {
    const isOf = (known: Known<R> | undefined) => known?.words.every((word, i) => word === words[i]);
    const before = this.#known.get(rows);
    if (before !== undefined && isOf(before)) return before.made;
    const origin = ORIGINS.get(rows) as readonly T[] | undefined;
    const then = origin && this.#known.get(origin);
    const make = (row: T) => this.#make(row, ...words);
    const known =
      origin !== undefined && then !== undefined && isOf(then)
        ? following(then, origin, rows, make)
        : withParts(words, rows.map(make));
    this.#known.set(rows, known);
    return known.made;
  }
}

function following<T, R>(
  then: Known<R>,
  origin: readonly T[],
  rows: readonly T[],
  make: (row: T) => readonly R[],
): Known<R> {
  const { head, tail } = sharedEnds(origin, rows, Object.is);
  const middle = rows.slice(head, rows.length - tail).map(make);
  const end = then.parts.length - tail;
  const parts = spliced(then.parts, head, end, middle);
  const before = then.parts.slice(head, end).flat();
  const fresh = middle.flat();
  if (equal(before, fresh)) return { ...then, parts };
  const start = countBefore(head, parts);
  const made = spliced(then.made, start, start + before.length, fresh);
  return { words: then.words, parts, made: cameOf(made, then.made) };
}

function withParts<R>(words: readonly string[], parts: readonly (readonly R[])[]): Known<R> {
  return { words, parts, made: parts.flat() };
}

/** How many the first `end` parts have together. */
function countBefore(end: number, parts: readonly (readonly unknown[])[]): number {
  let count = 0;
  for (let i = 0; i < end; i++) count += parts[i]?.length ?? 0;
  return count;
}
