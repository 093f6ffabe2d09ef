import { readdirSync, readFileSync } from "node:fs";

/** The middle one of several runs. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Looks every few milliseconds until `done`; throws after `limitMs`. */
export async function until(
  what: string,
  done: () => Promise<boolean>,
  limitMs = 120_000,
  pauseMs = 5,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** The processes whose command line holds `mark`. */
export function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => commandLine(pid).includes(mark))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it ended meanwhile
  }
}

/** Resident memory of these processes, MiB. */
export function residentMib(pids: readonly number[]): number {
  const kib = pids.map((pid) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0),
  );
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}

/** One line of the table: ours, theirs, and which is better by how much. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly other: number;
  /** What `other` is. */
  readonly than: string;
}

export function printTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, unit, ours, other, than }) => [
    what,
    `${format(ours)} ${unit}`,
    `${format(other)} ${unit}`,
    than,
    (ours / other).toFixed(2),
  ]);
  const head = ["what", "Shoal", "other", "other is", "ratio"];
  const lines = [head, head.map(() => "---"), ...cells].map((line) => `| ${line.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
