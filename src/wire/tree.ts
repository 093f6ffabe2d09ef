import type { FileChange, PathStat } from "../model/index.ts";
import { formatNanos } from "./time.ts";

/** Kinds of files: the kernel's bits (inode(7)), and Go's for the same (io/fs FileMode). */
const KIND_MASK = 0o170000;
const KINDS: ReadonlyMap<number, number> = new Map([
  [0o040000, 1 << 31],
  [0o120000, 1 << 27],
  [0o060000, 1 << 26],
  [0o010000, 1 << 25],
  [0o140000, 1 << 24],
  [0o020000, (1 << 26) | (1 << 21)],
]);
const SPECIAL: readonly (readonly [kernel: number, go: number])[] = [
  [0o4000, 1 << 23],
  [0o2000, 1 << 22],
  [0o1000, 1 << 20],
];

/** A file's mode in Go's bits, which Docker's API has: an unsigned number of 32 bits. */
export function goFileMode(mode: number): number {
  const special = SPECIAL.reduce((sum, [kernel, go]) => ((mode & kernel) === 0 ? sum : sum | go), 0);
  return ((KINDS.get(mode & KIND_MASK) ?? 0) | special | (mode & 0o777)) >>> 0;
}

/** The value of X-Docker-Container-Path-Stat: base64 of JSON (moby api/types/container PathStat). */
export function pathStatHeader({ name, size, mode, mtime, linkTarget }: PathStat): string {
  const stat = { name, size, mode: goFileMode(mode), mtime: formatNanos(mtime), linkTarget };
  return btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(stat))));
}

/** moby go-archive ChangeType. */
const CHANGE_KIND: Readonly<Record<FileChange["kind"], number>> = { modified: 0, added: 1, deleted: 2 };

export function fileChangesToWire(changes: readonly FileChange[]): object[] {
  return changes.map(({ kind, path }) => ({ Path: path, Kind: CHANGE_KIND[kind] }));
}
