import type { Position, Problems } from "./problem.ts";
import { kindOf, type ScalarTree, type Tree } from "./tree.ts";
import { parseBytes, parseDuration } from "./units.ts";

/** Reads one value; undefined, and a problem told, when it is not what it must be. `at` is where its key stands. */
export type Read<T> = (tree: Tree, problems: Problems, at: Position) => T | undefined;

/** A value and where it was said. */
export interface Said<T> {
  readonly value: T;
  readonly at: Position;
}

export function said<T>(read: Read<T>): Read<Said<T>> {
  return (tree, problems, at) => {
    const value = read(tree, problems, at);
    return value === undefined ? undefined : { value, at: tree.at };
  };
}

function wrong(tree: Tree, problems: Problems, wanted: string): undefined {
  const shown = tree.kind === "scalar" && tree.source !== "" ? ` "${tree.source}"` : "";
  return problems.error(tree.at, `this must be ${wanted}, not ${kindOf(tree)}${shown}`);
}

function scalarOf<T>(wanted: string, parse: (scalar: ScalarTree) => T | undefined): Read<T> {
  return (tree, problems) => {
    const value = tree.kind === "scalar" && tree.value !== null ? parse(tree) : undefined;
    return value === undefined ? wrong(tree, problems, wanted) : value;
  };
}

const numberIn = ({ value }: ScalarTree): number | undefined => {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
};

/** A text, or a number or boolean for its text: `version: 3`. */
export const text: Read<string> = scalarOf("a text", ({ value }) => String(value));

export const whole: Read<number> = scalarOf("a whole number", (scalar) => {
  const value = numberIn(scalar);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
});

export const natural: Read<number> = scalarOf("a whole number, 0 or more", (scalar) => {
  const value = numberIn(scalar);
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
});

export const number: Read<number> = scalarOf("a number, 0 or more", (scalar) => {
  const value = numberIn(scalar);
  return value !== undefined && value >= 0 ? value : undefined;
});

export const flag: Read<boolean> = scalarOf("true or false", ({ value }) => {
  if (typeof value === "boolean") return value;
  const word = String(value).toLowerCase();
  if (["true", "yes", "on", "1", "y"].includes(word)) return true;
  return ["false", "no", "off", "0", "n"].includes(word) ? false : undefined;
});

/** Nanoseconds. */
export const duration: Read<number> = scalarOf("a duration such as 30s or 1m30s", ({ value }) =>
  parseDuration(String(value)),
);

export const bytes: Read<number> = scalarOf("a size such as 512M or 1GB", ({ value }) =>
  parseBytes(String(value)),
);

/** A file mode, written in octal. */
export const mode: Read<number> = scalarOf("a file mode such as 0440", ({ value }) => {
  const octal = typeof value === "number" ? value : Number.parseInt(String(value), 8);
  return Number.isInteger(octal) && octal >= 0 && octal <= 0o7777 ? octal : undefined;
});

export function word<const T extends string>(...words: readonly T[]): Read<T> {
  return scalarOf(`one of ${words.join(", ")}`, ({ value }) => words.find((one) => one === value));
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (tree, problems, at) => {
    if (isNothing(tree)) return [];
    if (tree.kind !== "list") return wrong(tree, problems, "a list");
    return tree.items.flatMap((item) => {
      const value = read(item, problems, at);
      return value === undefined ? [] : [value];
    });
  };
}

/** One, or a list of them. */
export function oneOrList<T>(read: Read<T>): Read<T[]> {
  const many = list(read);
  return (tree, problems, at) => {
    if (tree.kind !== "scalar" || tree.value === null) return many(tree, problems, at);
    const value = read(tree, problems, at);
    return value === undefined ? [] : [value];
  };
}

/** Short and long form: `short` reads scalars, `long` the rest. */
export function either<T>(short: Read<T>, long: Read<T>): Read<T> {
  return (tree, problems, at) => (tree.kind === "scalar" ? short : long)(tree, problems, at);
}

export function isNothing(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

/** A mapping with any keys. A value that is nothing goes through `read` as well. */
export function mapOf<T>(read: Read<T>): Read<Map<string, T>> {
  return (tree, problems) => {
    if (isNothing(tree)) return new Map();
    if (tree.kind !== "map") return wrong(tree, problems, "a mapping");
    const found = new Map<string, T>();
    for (const [key, entry] of tree.entries) {
      if (key.startsWith("x-")) continue;
      const value = read(entry.value, problems, entry.at);
      if (value !== undefined) found.set(key, value);
    }
    return found;
  };
}

/** Texts by name, as a mapping or a list of `name=value`; a name alone stands with undefined for its value. */
export const pairs: Read<Map<string, string | undefined>> = (tree, problems, at) => {
  if (tree.kind === "list") return pairsOfList(tree.items, problems, at);
  if (isNothing(tree)) return new Map();
  if (tree.kind !== "map") return wrong(tree, problems, "a mapping, or a list of NAME=value");
  const found = new Map<string, string | undefined>();
  for (const [key, { value, at: keyAt }] of tree.entries) {
    if (isNothing(value)) found.set(key, undefined);
    else {
      const read = text(value, problems, keyAt);
      if (read !== undefined) found.set(key, read);
    }
  }
  return found;
};

function pairsOfList(items: readonly Tree[], problems: Problems, at: Position) {
  const found = new Map<string, string | undefined>();
  for (const item of items) {
    const pair = text(item, problems, at);
    if (pair === undefined) continue;
    const equals = pair.indexOf("=");
    if (equals < 0) found.set(pair, undefined);
    else found.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return found;
}

/** A field that is known and means nothing here: said, not dropped in silence. */
export function ignored(why: string): Read<never> {
  return (tree, problems, at) => (isNothing(tree) ? undefined : problems.warn(at, why));
}

/** A field that is known and that this cluster does not take. */
export function refused(why: string): Read<never> {
  return (tree, problems, at) => (isNothing(tree) ? undefined : problems.error(at, why));
}

/** Read elsewhere, or of no consequence. */
export const untouched: Read<never> = () => undefined;

export type Shape<T> = { readonly [K in keyof T]-?: Read<T[K]> };

/** A mapping with these keys and no others, but any `x-…`. Keys with nothing as their value count as absent. */
export function object<T>(what: string, shape: Shape<T>): Read<Partial<T>> {
  const known = new Map(Object.entries(shape) as [string, Read<unknown>][]);
  return (tree, problems) => {
    if (isNothing(tree)) return {};
    if (tree.kind !== "map") return wrong(tree, problems, "a mapping");
    const found: [string, unknown][] = [];
    for (const [key, { at, value }] of tree.entries) {
      if (key.startsWith("x-")) continue;
      const read = known.get(key);
      if (read === undefined) problems.error(at, unknownField(what, key, [...known.keys()]));
      const result = read === undefined || isNothing(value) ? undefined : read(value, problems, at);
      if (result !== undefined) found.push([key, result]);
    }
    return Object.fromEntries(found) as Partial<T>;
  };
}

function unknownField(what: string, key: string, known: readonly string[]): string {
  const near = known.find((one) => isNear(one, key));
  return `${what} has no field ${key}${near === undefined ? "" : `; did you mean ${near}?`}`;
}

/** At most two letters apart, and not of quite different words. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 2 || b.length < 3) return false;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, c] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, d] of [...b].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (c === d ? 0 : 1)));
    }
    row = next;
  }
  return (row.at(-1) ?? 9) <= 2;
}
