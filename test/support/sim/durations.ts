const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];
const MS: ReadonlyMap<string, number> = new Map(UNITS);

/** Milliseconds of "1h30m", "2.5s", "40ms". Throws on other words. */
export function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) throw new Error(`"${text}" is no time, like 1m30s`);
  let total = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g))
    total += Number(amount) * (MS.get(unit) ?? 0);
  return Math.round(total);
}

export function formatDuration(ms: number): string {
  let left = Math.round(ms);
  let text = "";
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text === "" ? "0s" : text;
}
