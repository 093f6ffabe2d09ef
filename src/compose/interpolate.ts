import type { Position, Problems } from "./problem.ts";
import { BadSubstitution, type Lookup, substitute } from "./substitute.ts";
import type { Entry, ScalarTree, Tree } from "./tree.ts";

/** Every text of a tree with its variables replaced. Keys stay as they are. */
export function interpolate(tree: Tree, lookup: Lookup, problems: Problems): Tree {
  if (tree.kind === "scalar") return scalar(tree, lookup, problems);
  if (tree.kind === "list") {
    return { ...tree, items: tree.items.map((item) => interpolate(item, lookup, problems)) };
  }
  const entries = [...tree.entries].map(([key, { at, value }]): [string, Entry] => [
    key,
    { at, value: interpolate(value, lookup, problems) },
  ]);
  return { ...tree, entries: new Map(entries) };
}

function scalar(tree: ScalarTree, lookup: Lookup, problems: Problems): Tree {
  if (typeof tree.value !== "string" || !tree.value.includes("$")) return tree;
  try {
    const { text, unset } = substitute(tree.value, lookup);
    for (const name of new Set(unset))
      problems.warn(tree.at, `the variable ${name} is not set and stands for nothing`);
    return { ...tree, value: text, source: text };
  } catch (error) {
    if (!(error instanceof BadSubstitution)) throw error;
    problems.error(within(tree, error.offset), error.message);
    return { ...tree, value: "", source: "" };
  }
}

/** The place of a character in a scalar of one line; else the scalar's own. */
function within({ at, source, value }: ScalarTree, offset: number): Position {
  return source === value && !source.includes("\n") ? { ...at, column: at.column + offset } : at;
}
