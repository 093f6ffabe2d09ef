import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The numbers of a log's rotated files, `x-json.log.1` and on, newest first. */
export function rotatedNumbers(path: string): number[] {
  const prefix = `${basename(path)}.`;
  return namesIn(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((rest) => /^[1-9]\d*$/.test(rest))
    .map(Number)
    .sort((a, b) => a - b);
}

/** A log's files, oldest first, the one being written last. A daemon killed while it rotated leaves a gap in the numbers. */
export function logFilesOf(path: string): string[] {
  return [...rotatedNumbers(path).map((n) => `${path}.${n}`)].reverse().concat(path);
}

/** Moves `path` to `path.1`, older ones up; keeps `maxFiles` in all, the one that comes next included. */
export function shiftFiles(path: string, maxFiles: number): void {
  const taken = new Set(rotatedNumbers(path));
  let free = 1;
  while (taken.has(free) && free < maxFiles - 1) free++;
  for (let n = free; n > 1; n--) renameSync(`${path}.${n - 1}`, `${path}.${n}`);
  if (maxFiles > 1) renameSync(path, `${path}.1`);
  else rmSync(path, { force: true });
}

/** Removes rotated files beyond `maxFiles`: the limit may have been lowered. */
export function dropOldFiles(path: string, maxFiles: number): void {
  const beyond = rotatedNumbers(path).filter((n) => n >= maxFiles);
  for (const n of beyond) rmSync(`${path}.${n}`, { force: true });
}

/** Removes all that belongs to a log: its files, rotated ones, unfinished lines. */
export function removeLogFiles(path: string): void {
  const folder = dirname(path);
  const own = namesIn(folder).filter(
    (name) => name === basename(path) || name.startsWith(`${basename(path)}.`),
  );
  for (const name of own) rmSync(join(folder, name), { force: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
