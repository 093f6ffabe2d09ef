import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Hunk } from "./compare.ts";

/** A row of differences.md: what each side says there, "…" for any text, and why that is right. */
export interface Difference {
  /** The sequence's name; "*" for all. */
  readonly sequence: string;
  readonly docker: readonly string[];
  readonly shoal: readonly string[];
  readonly why: string;
}

/** The table of known differences. Throws on a row without a reason or without lines. */
export function readDifferences(): Difference[] {
  return parseDifferences(readFileSync(join(import.meta.dirname, "differences.md"), "utf8"));
}

/** Rows of a Markdown table: sequence, lines in backticks, lines in backticks, reason. */
export function parseDifferences(text: string): Difference[] {
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !/^\| (sequence|---)/.test(line));
  return rows.map((row) => {
    const [sequence = "", docker = "", shoal = "", why = ""] = row
      .slice(1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
    const known = { sequence, docker: linesIn(docker), shoal: linesIn(shoal), why };
    if (known.docker.length + known.shoal.length === 0 || why === "") throw new Error(`not a row: ${row}`);
    return known;
  });
}

const linesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, line = ""]) => line);

/** The rows that explain a hunk, or undefined when a line of it is in none of the sequence's rows. */
export function explain(
  hunk: Hunk,
  sequence: string,
  rows: readonly Difference[],
): readonly Difference[] | undefined {
  const own = rows.filter((row) => row.sequence === sequence || row.sequence === "*");
  const reasons = [
    ...hunk.docker.map((line) => own.filter((row) => row.docker.some((known) => isLike(line, known)))),
    ...hunk.shoal.map((line) => own.filter((row) => row.shoal.some((known) => isLike(line, known)))),
  ];
  return reasons.some((found) => found.length === 0) ? undefined : [...new Set(reasons.flat())];
}

/** Whether a printed line is a known one: spaces at its ends do not count, "…" is any text. */
function isLike(line: string, known: string): boolean {
  const parts = known.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(line.trim());
}
