import { equal, sharedEnds, spliced } from "../lib/index.ts";

/** How a list came of another: so many of its items, from the beginning and to the end, are the other's. */
interface Step {
  readonly origin: readonly unknown[];
  readonly head: number;
  readonly tail: number;
}

/** Of lists, one step back. */
const STEPS = new WeakMap<readonly unknown[], Step>();

/**
 * Notes that `list` came of `origin` by a few changes: what is derived from one is then derived from the other's. Who made the change knows
 * what both share at their ends, which is looked for else.
 */
export function cameOf<L extends readonly unknown[]>(
  list: L,
  origin: L,
  ends: Pick<Step, "head" | "tail"> = sharedEnds(origin, list, Object.is),
): L {
  // One step is enough, and more would keep every list alive that ever was.
  STEPS.delete(origin);
  if (list !== origin) STEPS.set(list, { origin, ...ends });
  return list;
}

interface Known<R> {
  readonly words: readonly string[];
  readonly made: readonly R[];
  /** What was made of each row; absent when it was one of each. */
  readonly parts?: readonly (readonly R[])[];
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
    const step = STEPS.get(rows);
    const then = step && this.#known.get(step.origin as readonly T[]);
    const make = (row: T) => this.#make(row, ...words);
    const known =
      step !== undefined && then !== undefined && isOf(then)
        ? following(then, step, rows, make)
        : withParts(words, rows.map(make));
    this.#known.set(rows, known);
    return known.made;
  }
}

function following<T, R>(
  then: Known<R>,
  { head, tail }: Step,
  rows: readonly T[],
  make: (row: T) => readonly R[],
): Known<R> {
  const middle = rows.slice(head, rows.length - tail).map(make);
  if (then.parts === undefined && middle.every(isOne))
    return { words: then.words, made: changed(then.made, head, then.made.length - tail, middle.flat()) };
  const before = then.parts ?? then.made.map((one) => [one]);
  const end = before.length - tail;
  const start = countOf(before.slice(0, head));
  const stop = start + countOf(before.slice(head, end));
  return {
    ...{ words: then.words, parts: spliced(before, head, end, middle) },
    made: changed(then.made, start, stop, middle.flat()),
  };
}

/** The same list when nothing in it is another. */
function changed<R>(made: readonly R[], start: number, end: number, fresh: readonly R[]): readonly R[] {
  if (equal(made.slice(start, end), fresh)) return made;
  return cameOf(spliced(made, start, end, fresh), made, { head: start, tail: made.length - end });
}

function withParts<R>(words: readonly string[], parts: readonly (readonly R[])[]): Known<R> {
  const made = parts.flat();
  return parts.every(isOne) ? { words, made } : { words, made, parts };
}

const isOne = (part: readonly unknown[]): boolean => part.length === 1;

function countOf(parts: readonly (readonly unknown[])[]): number {
  let count = 0;
  for (const part of parts) count += part.length;
  return count;
}
