import type { Instant } from "../lib/index.ts";

/** What Go prints for a time that was never set. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

const MS_PER_DAY = 86_400_000;
const NANOS_PER_MS = 1_000_000n;

/** An instant as Go's RFC3339Nano in UTC: "2026-11-25T14:16:42.5Z". Absent: Go's zero time. */
export function formatTime(at: Instant | undefined): string {
  return at === undefined ? ZERO_TIME : formatNanos(BigInt(Math.trunc(at)) * NANOS_PER_MS);
}

/** Nanoseconds since 1970 as Go's RFC3339Nano: trailing zeros of the fraction are dropped. */
export function formatNanos(nanos: bigint): string {
  return rfc3339(nanos, (fraction) => {
    const short = fraction.replace(/0+$/, "");
    return short === "" ? "" : `.${short}`;
  });
}

/** The form of `docker logs --timestamps`: always nine digits of fraction. */
export function formatLogTime(nanos: bigint): string {
  return rfc3339(nanos, (fraction) => `.${fraction}`);
}

function rfc3339(nanos: bigint, fraction: (nineDigits: string) => string): string {
  const second = 1_000_000_000n;
  const rest = ((nanos % second) + second) % second;
  const ms = Number((nanos - rest) / NANOS_PER_MS);
  const inDay = ((ms % MS_PER_DAY) + MS_PER_DAY) % MS_PER_DAY;
  const { year, month, day } = civilDate((ms - inDay) / MS_PER_DAY);
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  const seconds = inDay / 1000;
  const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((n) => pad(Math.floor(n), 2))
    .join(":");
  return `${date}T${time}${fraction(rest.toString().padStart(9, "0"))}Z`;
}

/** The Gregorian date of a day since 1970-01-01 (Howard Hinnant's civil_from_days). */
function civilDate(daysSince1970: number): { year: number; month: number; day: number } {
  const days = daysSince1970 + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1 };
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}

/** The day since 1970-01-01 of a Gregorian date (days_from_civil). */
function daysSince1970(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const RFC3339_REGEXP =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Nanoseconds since 1970 of a time in a query: "1700000000", "1700000000.123456789", or RFC 3339.
 * Undefined when the text is none of them.
 */
export function parseTime(text: string): bigint | undefined {
  const unix = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null) {
    const seconds = BigInt(unix[1] ?? "0") * 1_000_000_000n;
    return seconds + BigInt((unix[2] ?? "").padEnd(9, "0"));
  }
  const match = RFC3339_REGEXP.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return undefined;
  const zone = (match[8] === "-" ? -1 : 1) * (Number(match[9] ?? 0) * 3600 + Number(match[10] ?? 0) * 60);
  const total = daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone;
  return BigInt(total) * 1_000_000_000n + BigInt((match[7] ?? "").padEnd(9, "0"));
}
