const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** The rows of go-units' HumanDuration for whole hours: below `hours`, count in units of `per` hours. */
const LONG_UNITS = [
  { hours: 48, per: 1, unit: "hours" },
  { hours: 24 * 7 * 2, per: 24, unit: "days" },
  { hours: 24 * 30 * 2, per: 24 * 7, unit: "weeks" },
  { hours: 24 * 365 * 2, per: 24 * 30, unit: "months" },
] as const;

/** A duration in Docker's words: "About a minute", "3 weeks" (go-units duration.go HumanDuration). */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(ms / 1000 / HOUR + 0.5);
  if (hours === 1) return "About an hour";
  const row = LONG_UNITS.find((r) => hours < r.hours);
  if (row !== undefined) return `${Math.trunc(hours / row.per)} ${row.unit}`;
  return `${Math.trunc(Math.trunc(seconds / HOUR) / 24 / 365)} years`;
}
