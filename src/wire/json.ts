import { z } from "zod";
import { Fault } from "../lib/index.ts";

/*
 * Words of the schemas. Go's JSON says null for an empty list, map or pointer and leaves out what `omitempty` covers,
 * so every field may be absent or null and then means its zero value.
 */

/** Parts of a field's schema: what comes in, and what the converters then see. */
type Field<T> = z.ZodType<T>;

function orElse<T>(schema: z.ZodType<T>, zero: T): Field<T> {
  return schema.nullish().transform((value) => value ?? zero);
}

/** No kernel interface takes a NUL; better said here than by a task on some node. */
const plain = z.string().regex(/^[^\0]*$/, "must not hold a NUL character");

export const text: Field<string> = orElse(plain, "");
export const flag: Field<boolean> = orElse(z.boolean(), false);
export const texts: Field<string[]> = orElse(z.array(plain), []);
export const dict: Field<Record<string, string>> = orElse(z.record(plain, plain), {});
/** A whole number of any sign; 0 when absent. */
export const whole: Field<number> = orElse(z.int().transform(unsigned), 0);
/** Go's uint64. */
export const natural: Field<number> = orElse(z.int().min(0).transform(unsigned), 0);
export const ratio: Field<number> = orElse(z.number().transform(unsigned), 0);

/** JSON has a -0, Go's numbers have none. */
function unsigned(value: number): number {
  return value === 0 ? 0 : value;
}

/**
 * An object of these fields and no others. As with Go's encoding/json, upper and lower case in their names are one, and of a field that
 * comes twice the last counts: clients rely on it (docker-py says `replicated`).
 */
export function goStruct<S extends z.ZodRawShape>(
  shape: S,
): z.ZodPreprocess<z.ZodObject<{ -readonly [P in keyof S]: S[P] }, z.core.$strict>> {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  return z.preprocess((value) => renamed(value, names), z.strictObject(shape));
}

function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [names.get(key.toLowerCase()) ?? key, field]),
  );
}

/** A field that may be absent, and is then undefined. */
export function maybe<T>(schema: z.ZodType<T>): Field<T | undefined> {
  return schema.nullish().transform((value) => value ?? undefined);
}

export function listOf<T>(schema: z.ZodType<T>): Field<T[]> {
  return orElse(z.array(schema), []);
}

/** A word of a closed set; absent or empty is `zero`. `named` is what the refusal calls it, or the refusal itself. */
export function oneOf<const T extends string>(
  named: string | ((value: string) => string),
  words: readonly T[],
  zero: T,
): Field<T> {
  return text.transform((value, context) => {
    const word = value === "" ? zero : words.find((w) => w === value);
    if (word !== undefined) return word;
    const message = typeof named === "string" ? `invalid ${named}: "${value}"` : named(value);
    context.issues.push({ code: "custom", message, input: value });
    return z.NEVER;
  });
}

/** Go's time.Duration. Beyond 104 days a JSON number has no single nanoseconds left, which nobody misses. */
const nanos = z.number().refine((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 63, {
  error: "must be a whole number of nanoseconds, below 2^63",
  params: { sentence: true },
});

/** Nanoseconds on the wire, milliseconds in the model; undefined when absent. */
export const duration: Field<number | undefined> = nanos
  .nullish()
  .transform((value) => (value === null || value === undefined ? undefined : unsigned(value / 1e6)));

/** A duration for which 0 means that nobody chose one. */
export const durationOrZero: Field<number> = duration.transform((ms) => ms ?? 0);

/** Milliseconds as the wire's nanoseconds. */
export function nanosOf(ms: number): number {
  return Math.round(ms * 1e6);
}

/** A field of Swarm's that Shoal does not serve yet: only its empty forms pass. `sentence` is the refusal. */
export function unserved(sentence: string): Field<undefined> {
  return z
    .unknown()
    .optional()
    .transform((value, context) => {
      if (!isEmpty(value))
        context.issues.push({
          code: "custom",
          message: sentence,
          input: value,
          params: { unsupported: true },
        });
      return undefined;
    });
}

/** Null, zero, "", false, and lists and objects of nothing else. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}

/** Every schema that something was read by, for who makes bodies by them (test/support/fuzz). */
export const schemasRead: Set<z.ZodType> = new Set();

/**
 * Reads JSON by a schema. Faults: "unsupported" for a field that is not served yet, else "invalid"; both name the field.
 * `what` is "service spec".
 */
export function readJson<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  schemasRead.add(schema);
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new Fault("invalid", `invalid ${what}`);
  throw faultOf(issue, what);
}

function faultOf(issue: z.core.$ZodIssue, what: string): Fault {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => [...path, key].join(".")).join(", ");
    return new Fault("invalid", `invalid ${what}: unknown field ${names}`);
  }
  const where = path.length === 0 ? "" : `${path.join(".")}: `;
  if (issue.code !== "custom" || issue.params?.["sentence"] === true)
    return new Fault("invalid", `invalid ${what}: ${where}${lower(issue.message)}`);
  if (issue.params?.["unsupported"] === true) return new Fault("unsupported", issue.message);
  return new Fault("invalid", issue.message);
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** The object without its empty members (null, "", 0, false, [], {}), as Go's `omitempty` writes it. */
export function omitEmpty(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => !isBlank(value)));
}

function isBlank(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
