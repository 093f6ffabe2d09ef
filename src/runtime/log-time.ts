const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MS = 1_000_000n;
const SECONDS_PER_DAY = 86_400;
const TIME_REGEXP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Nanoseconds since 1970 as RFC 3339 in UTC with nine digits: "2026-11-25T14:00:00.000000001Z". */
export function formatNanos(at: bigint): string {
  const second = Number(at / NANOS_PER_SECOND);
  const nanos = String(at % NANOS_PER_SECOND).padStart(9, "0");
  return `${formatSecond(second)}.${nanos}Z`;
}

/** The nanoseconds since 1970 of an RFC 3339 time; undefined when it is none. */
export function parseNanos(text: string): bigint | undefined {
  const match = TIME_REGEXP.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const offset = (match[8] === "-" ? 1 : -1) * (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0));
  const seconds =
    daysSince1970(year, month, day) * SECONDS_PER_DAY + hour * 3600 + (minute + offset) * 60 + second;
  return BigInt(seconds) * NANOS_PER_SECOND + BigInt((match[7] ?? "").padEnd(9, "0"));
}

/** Stamps for log entries: the clock's milliseconds, and within one of them a count, so that order shows. */
export function nanoStamps(now: () => number): () => bigint {
  let lastMs = -1;
  let count = 0n;
  return () => {
    const ms = Math.floor(now());
    count = ms === lastMs && count < NANOS_PER_MS - 1n ? count + 1n : 0n;
    lastMs = ms;
    return BigInt(ms) * NANOS_PER_MS + count;
  };
}

let cached = { second: -1, text: "" };

/** "2026-11-25T14:00:00"; the last one is remembered, since thousands of lines share a second. */
function formatSecond(second: number): string {
  if (cached.second !== second) cached = { second, text: formatCivil(second) };
  return cached.text;
}

function formatCivil(second: number): string {
  const { year, month, day } = civilOf(Math.floor(second / SECONDS_PER_DAY));
  const rest = second % SECONDS_PER_DAY;
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  return `${date}T${two(rest / 3600)}:${two((rest / 60) % 60)}:${two(rest % 60)}`;
}

/** Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The same, civil_from_days. */
function civilOf(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}
