import { equal } from "./equal.ts";

/**
 * How to make one plain value out of another that is at hand: what both share, by identity, is not said again. For
 * telling a large value to another thread over and over.
 */
export type Delta =
  | { readonly kind: "same" }
  | { readonly kind: "whole"; readonly value: unknown }
  | {
      readonly kind: "fields";
      readonly fields: Readonly<Record<string, Delta>>;
      readonly gone: readonly string[];
    }
  /** So many items from the beginning and to the end stay; these are between. */
  | {
      readonly kind: "items";
      readonly head: number;
      readonly tail: number;
      readonly between: readonly Delta[];
    };

const SAME: Delta = { kind: "same" };

/** Of `to` against `from`; both are what JSON can say. */
export function deltaOf(from: unknown, to: unknown): Delta {
  if (Object.is(from, to)) return SAME;
  if (Array.isArray(from) && Array.isArray(to)) return itemsDelta(from, to);
  return isRecord(from) && isRecord(to) ? fieldsDelta(from, to) : { kind: "whole", value: to };
}

/** The value that `delta` was made for, sharing with `from` what it shared. */
export function withDelta(from: unknown, delta: Delta): unknown {
  switch (delta.kind) {
    case "same":
      return from;
    case "whole":
      return delta.value;
    case "items": {
      const { head, tail, between } = delta;
      const items = from as readonly unknown[];
      const middle = between.map((inner, i) => withDelta(items[head + i], inner));
      return spliced(items, head, items.length - tail, middle);
    }
    case "fields": {
      const fields = new Map(Object.entries(from as Readonly<Record<string, unknown>>));
      for (const name of delta.gone) fields.delete(name);
      for (const [name, inner] of Object.entries(delta.fields))
        fields.set(name, withDelta(fields.get(name), inner));
      return Object.fromEntries(fields);
    }
  }
}

/** Where two lists differ: so many items are the same, equal unless said otherwise, at their beginnings and at their ends. */
export function sharedEnds(
  from: readonly unknown[],
  to: readonly unknown[],
  same: (a: unknown, b: unknown) => boolean = equal,
): { readonly head: number; readonly tail: number } {
  const shorter = Math.min(from.length, to.length);
  let head = 0;
  // Most are the same objects, and of them there may be thousands: those need no call.
  while (head < shorter && (from[head] === to[head] || same(from[head], to[head]))) head++;
  const most = shorter - head;
  let tail = 0;
  for (let [i, j] = [from.length - 1, to.length - 1]; tail < most; i--, j--, tail++)
    if (from[i] !== to[j] && !same(from[i], to[j])) break;
  return { head, tail };
}

/** A copy with other items from `start` to before `end`. Whole stretches are copied at once, which spreading a list does not do. */
export function spliced<T>(list: readonly T[], start: number, end: number, items: readonly T[]): T[] {
  return list.slice(0, start).concat(items, list.slice(end));
}

function itemsDelta(from: readonly unknown[], to: readonly unknown[]): Delta {
  const { head, tail } = sharedEnds(from, to);
  if (head === from.length && head === to.length) return SAME;
  // One for one: the items at the same places may share much.
  const paired = from.length === to.length;
  const between = to
    .slice(head, to.length - tail)
    .map((item, i): Delta => (paired ? deltaOf(from[head + i], item) : { kind: "whole", value: item }));
  return between.length > 0 && paired && between.every(({ kind }) => kind === "same")
    ? SAME
    : { kind: "items", head, tail, between };
}

function fieldsDelta(from: Readonly<Record<string, unknown>>, to: Readonly<Record<string, unknown>>): Delta {
  const fields = Object.entries(to).flatMap(([name, value]): [string, Delta][] => {
    const delta: Delta = Object.hasOwn(from, name) ? deltaOf(from[name], value) : { kind: "whole", value };
    return delta.kind === "same" ? [] : [[name, delta]];
  });
  const gone = Object.keys(from).filter((name) => !Object.hasOwn(to, name));
  if (fields.length + gone.length === 0) return SAME;
  return { kind: "fields", fields: Object.fromEntries(fields), gone };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
