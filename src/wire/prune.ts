import { Fault, type Instant } from "../lib/index.ts";
import { type Filters, filterValues, labelsFit } from "./filters.ts";
import { parseTime } from "./time.ts";

/** What a prune request looks at. */
export interface Prunable {
  readonly createdAt: Instant;
  readonly labels: Readonly<Record<string, string>>;
}

/** Says of a thing whether the filters `label`, `label!` and `until` let it go. Fault "invalid" for a time that is none. */
export function pruneTest(filters: Filters, now: Instant): (thing: Prunable) => boolean {
  const until = untilOf(filters, now);
  const spares = filterValues(filters, "label!").length > 0;
  return ({ createdAt, labels }) =>
    (until === undefined || createdAt <= until) &&
    labelsFit(filters, "label", labels) &&
    !(spares && labelsFit(filters, "label!", labels));
}

/** The instant before which things must be made: "24h" is so long ago, else a time as `parseTime` reads it. */
function untilOf(filters: Filters, now: Instant): Instant | undefined {
  const [text, another] = filterValues(filters, "until");
  if (text === undefined) return undefined;
  if (another !== undefined) throw new Fault("invalid", "more than one until filter specified");
  const ago = parseGoDuration(text);
  if (ago !== undefined) return now - ago;
  const nanos = parseTime(text);
  if (nanos === undefined) throw new Fault("invalid", `failed to parse value as time or duration: "${text}"`);
  return Number(nanos / 1_000_000n);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const PART = /(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g;

/** Milliseconds of what Go's time.ParseDuration reads, "1h30m" or "-10s"; undefined for anything else. */
function parseGoDuration(text: string): number | undefined {
  const body = text.replace(/^[+-]/, "");
  if (body === "" || body.replace(PART, "") !== "") return undefined;
  const parts = [...body.matchAll(PART)];
  const ms = parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
  return text.startsWith("-") ? -ms : ms;
}
