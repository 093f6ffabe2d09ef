import type { Position } from "./problem.ts";

/** A YAML document without its notation: anchors and merge keys resolved, every part knowing where it was said. */
export type Tree = MapTree | ListTree | ScalarTree;

/** Compose's own tags: what an earlier file said is dropped, or replaced instead of merged. */
export type MergeTag = "reset" | "override";

export interface MapTree {
  readonly kind: "map";
  readonly at: Position;
  readonly tag?: MergeTag;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  /** Of the key. */
  readonly at: Position;
  readonly value: Tree;
}

export interface ListTree {
  readonly kind: "list";
  readonly at: Position;
  readonly tag?: MergeTag;
  readonly items: readonly Tree[];
}

export interface ScalarTree {
  readonly kind: "scalar";
  readonly at: Position;
  readonly tag?: MergeTag;
  readonly value: string | number | boolean | null;
  /** The scalar as it stands in the file: of numbers, what was written. */
  readonly source: string;
}

export const mapTree = (at: Position, entries: Iterable<readonly [string, Entry]>): MapTree => ({
  kind: "map",
  at,
  entries: new Map(entries),
});

export const textTree = (at: Position, value: string): ScalarTree => ({
  kind: "scalar",
  at,
  value,
  source: value,
});

/** The value under a key; undefined when this is no map or has no such key. */
export function valueAt(tree: Tree | undefined, key: string): Tree | undefined {
  return tree?.kind === "map" ? tree.entries.get(key)?.value : undefined;
}

/** "a list", for errors. */
export function kindOf(tree: Tree): string {
  if (tree.kind === "map") return "a mapping";
  if (tree.kind === "list") return "a list";
  if (tree.value === null) return "nothing";
  return typeof tree.value === "string" ? "a text" : `a ${typeof tree.value}`;
}
