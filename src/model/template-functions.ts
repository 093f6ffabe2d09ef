import { Fault } from "../lib/index.ts";

/** What a template computes with; a tree is the context or a part of it. */
export type Value = string | number | boolean | Tree;

export interface Tree {
  readonly [name: string]: Value;
}

export interface TemplateFunction {
  /** Arguments at least, and at most. */
  readonly takes: readonly [number, number];
  readonly call: (...values: Value[]) => Value;
}

/** What a template may call, by name. */
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

/** As many values as anybody writes. */
const ANY = 1_000;

/** Swarm's one function `join`, and those of Go's own that make sense of texts; none makes more than `most` characters. */
export const functionsWithin = (most: number): TemplateFunctions => ({
  join: {
    takes: [1, ANY],
    call: (separator = "", ...texts) => join(textOf(separator), texts.map(textOf), most),
  },
  index: { takes: [2, 2], call: (tree = "", key = "") => entryOf(tree, textOf(key)) },
  print: { takes: [0, ANY], call: print },
  printf: { takes: [1, ANY], call: (format = "", ...values) => printf(textOf(format), values, most) },
  len: { takes: [1, 1], call: (value = "") => lengthOf(value) },
  not: { takes: [1, 1], call: (value = "") => !isTrue(value) },
  and: { takes: [1, ANY], call: (...values) => values.find((v) => !isTrue(v)) ?? values.at(-1) ?? "" },
  or: { takes: [1, ANY], call: (...values) => values.find(isTrue) ?? values.at(-1) ?? "" },
  eq: { takes: [2, ANY], call: (a = "", ...others) => others.some((b) => isSame(a, b)) },
  ne: { takes: [2, 2], call: (a = "", b = "") => !isSame(a, b) },
});

/** What is printed for a value. A whole part of the context is nobody's text. */
export function format(value: Value): string {
  if (typeof value === "object") throw new Fault("invalid", "it is not one text: name a field of it");
  return String(value);
}

/** As Go's `if` sees it: not empty, not zero, not false. */
export function isTrue(value: Value): boolean {
  return typeof value === "object" ? Object.keys(value).length > 0 : Boolean(value);
}

/** Throws Fault "invalid" when so many characters are more than a template may make. */
export function mustBeShort(characters: number, most: number): void {
  if (characters > most) throw new Fault("invalid", `it makes a text of more than ${most} characters`);
}

export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  throw new Fault(
    "invalid",
    `a text is wanted, not ${typeof value === "object" ? "a group of fields" : value}`,
  );
}

function join(separator: string, texts: readonly string[], most: number): string {
  mustBeShort(separator.length * (texts.length - 1), most);
  return texts.join(separator);
}

/** Go's `index` of a map: a key that is not there is empty. */
function entryOf(tree: Value, key: string): Value {
  if (typeof tree !== "object") throw new Fault("invalid", "only labels can be indexed");
  return Object.hasOwn(tree, key) ? (tree[key] ?? "") : "";
}

function lengthOf(value: Value): number {
  return typeof value === "object"
    ? Object.keys(value).length
    : new TextEncoder().encode(textOf(value)).length;
}

/** Go's Sprint: a space between two values of which neither is a text. */
function print(...values: Value[]): string {
  const isText = (value: Value | undefined) => value === undefined || typeof value === "string";
  return values.map((v, i) => (isText(v) || isText(values[i - 1]) ? "" : " ") + format(v)).join("");
}

function isSame(a: Value, b: Value): boolean {
  if (typeof a === typeof b && typeof a !== "object") return a === b;
  throw new Fault("invalid", "only texts compare with texts, and numbers with numbers");
}

/** %s, %v, %d, %q and %%, with a width ("%04d", "%-8s") or a length ("%.12s"). */
const VERB = /%([-0]?)(\d*)(?:\.(\d+))?([a-zA-Z%])/g;

function printf(text: string, values: readonly Value[], most: number): string {
  let [next, made] = [0, 0];
  const said = text.replace(
    VERB,
    (verb, flag: string, width: string, length: string | undefined, letter: string) => {
      if (letter === "%") return "%";
      const value = values[next++];
      if (value === undefined) throw new Fault("invalid", `"${verb}" has no value`);
      made += Number(width);
      mustBeShort(made, most);
      const shown = showAs(verb, letter, value);
      const cut = length === undefined ? shown : [...shown].slice(0, Number(length)).join("");
      if (flag === "-") return cut.padEnd(Number(width));
      return cut.padStart(Number(width), flag === "0" && letter === "d" ? "0" : " ");
    },
  );
  // The format may be what a secret holds.
  if (next < values.length) throw new Fault("invalid", "the format has no place for every value");
  return said;
}

function showAs(verb: string, letter: string, value: Value): string {
  if (letter === "v") return format(value);
  if (letter === "s") return textOf(value);
  if (letter === "q") return JSON.stringify(textOf(value));
  if (letter === "d" && typeof value === "number") return String(value);
  throw new Fault("invalid", `"${verb}" does not fit its value, or is not supported`);
}
