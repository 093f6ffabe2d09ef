const SECOND = 1_000_000_000;
const DURATIONS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1000,
  µs: 1000,
  ms: 1_000_000,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
  d: 86_400 * SECOND,
};
const PART_REGEXP = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/gy;

/** `1h30m` in nanoseconds, as Go's time.ParseDuration with days; undefined when it is none. `0` needs no unit. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  let total = 0;
  let end = 0;
  for (const [all, amount, unit = ""] of text.matchAll(PART_REGEXP)) {
    total += Number(amount) * (DURATIONS[unit] ?? 0);
    end += all.length;
  }
  return text !== "" && end === text.length ? Math.round(total) : undefined;
}

const SIZE_REGEXP = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i;

/** `512M` in bytes; units are powers of 1024 (docker/go-units RAMInBytes). */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit = ""] = SIZE_REGEXP.exec(text.trim()) ?? [];
  if (amount === undefined) return undefined;
  const power = unit === "" ? 0 : " kmgtp".indexOf(unit.toLowerCase());
  const value = Math.floor(Number(amount) * 1024 ** power);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Words as a shell splits them: quotes and backslashes, no expansion. Undefined when a quote is not closed. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let current: string | undefined;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? "";
    if (quote !== "" && c === quote) quote = "";
    else if (c === "\\" && quote !== "'") current = (current ?? "") + (text[++i] ?? "");
    else if (quote !== "") current = (current ?? "") + c;
    else if (c === "'" || c === '"') {
      quote = c;
      current ??= "";
    } else if (/\s/.test(c)) {
      if (current !== undefined) words.push(current);
      current = undefined;
    } else current = (current ?? "") + c;
  }
  if (quote !== "") return undefined;
  return current === undefined ? words : [...words, current];
}
