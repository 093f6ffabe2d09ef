import { Fault } from "../lib/index.ts";

/** What a `filters` query asks for: key to accepted values. A key without values accepts everything. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads a `filters` query, in Docker's form `{"key":{"value":true}}` or its old one `{"key":["value"]}`.
 * Fault "invalid" on garbage, and `invalid filter 'x'` on a key that is not accepted.
 */
export function parseFilters(text: string | null, accepted: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  if (text === null || text === "") return filters;
  for (const [key, values] of Object.entries(parseObject(text))) {
    if (!accepted.includes(key)) throw new Fault("invalid", `invalid filter '${key}'`);
    filters.set(key, valuesOf(key, values));
  }
  return filters;
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault("invalid", "invalid filter: the filters are no JSON");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Fault("invalid", "invalid filter: the filters are no JSON object");
}

function valuesOf(key: string, values: unknown): string[] {
  if (values === null) return [];
  if (Array.isArray(values) && values.every((v) => typeof v === "string")) return values;
  if (typeof values === "object" && !Array.isArray(values)) {
    const entries = Object.entries(values as Record<string, unknown>);
    if (entries.every(([, on]) => typeof on === "boolean")) {
      return entries.filter(([, on]) => on === true).map(([value]) => value);
    }
  }
  throw new Fault("invalid", `invalid filter: the values of '${key}' are neither a map nor a list`);
}

/** The values of a key; none when it was not given. */
export function filterValues(filters: Filters, key: string): readonly string[] {
  return filters.get(key) ?? [];
}

/** True when no value was given, or one of them fits. */
export function someFits(filters: Filters, key: string, fits: (value: string) => boolean): boolean {
  const values = filterValues(filters, key);
  return values.length === 0 || values.some(fits);
}

/** True when every value, "key" or "key=value", is among the labels; "key=" asks for the key alone, as in Swarm. */
export function labelsFit(filters: Filters, key: string, labels: Readonly<Record<string, string>>): boolean {
  return filterValues(filters, key).every((wanted) => {
    const [name = "", ...rest] = wanted.split("=");
    const value = rest.join("=");
    return Object.hasOwn(labels, name) && (value === "" || labels[name] === value);
  });
}

/** Docker's name filters: a part of the name, with ^ and $ for its ends. (Docker takes any regular expression.) */
export function partFits(text: string, pattern: string): boolean {
  const start = pattern.startsWith("^");
  const end = pattern.endsWith("$");
  const part = pattern.slice(start ? 1 : 0, end ? -1 : undefined);
  if (start && end) return text === part;
  if (start) return text.startsWith(part);
  return end ? text.endsWith(part) : text.includes(part);
}
