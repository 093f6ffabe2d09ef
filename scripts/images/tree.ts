import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** File trees on disk: what is in one, and what a second has that a first has not. */

const byBytes = (a: string, b: string): number => (a < b ? -1 : 1);

/**
 * Paths of everything in a folder, relative to it, sorted, parents before children. The folder itself is not named.
 * (Node's own recursive readdir follows links to folders.)
 */
export function pathsIn(folder: string): string[] {
  const found: string[] = [];
  const walk = (inside: string): void => {
    for (const entry of readdirSync(join(folder, inside), { withFileTypes: true })) {
      const path = join(inside, entry.name);
      found.push(path);
      if (entry.isDirectory()) walk(path);
    }
  };
  walk("");
  return found.sort(byBytes);
}

/** How one tree differs from an older copy of it. */
export interface TreeChanges {
  /** New or changed paths, sorted, with the folders that lead to them. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Compares a tree with the one it was copied from (`cp -a`: times kept to the nanosecond, so a file whose
 * time, size, owner and mode are equal was not touched).
 */
export function compareTrees(before: string, after: string): TreeChanges {
  const [old, now] = [new Set(pathsIn(before)), pathsIn(after)];
  const changed = new Set<string>();
  for (const path of now) {
    if (old.delete(path) && same(join(before, path), join(after, path))) continue;
    for (const parent of parentsOf(path)) changed.add(parent);
    changed.add(path);
  }
  const removed = [...old].filter((path) => !hasRemovedParent(path, old));
  return { changed: [...changed].sort(byBytes), removed: removed.sort(byBytes) };
}

function hasRemovedParent(path: string, removed: ReadonlySet<string>): boolean {
  return parentsOf(path).some((parent) => removed.has(parent));
}

/** `a/b/c` → `a`, `a/b`. */
function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

function same(one: string, other: string): boolean {
  const [a, b] = [lstatSync(one, { bigint: true }), lstatSync(other, { bigint: true })];
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.isDirectory()) return true;
  if (a.isSymbolicLink()) return readlinkSync(one) === readlinkSync(other);
  return sameContent(a, b);
}

function sameContent(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs;
}

/** The file whose presence in a layer takes a path of the layers below away (OCI image spec, "Whiteouts"). */
export function whiteoutOf(path: string): string {
  return path.replace(/[^/]+$/, (name) => `.wh.${name}`);
}
