import type { Node, Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { type Check, FILTERS, type Filter } from "./filters.ts";
import type { NodeLoad } from "./load.ts";

interface Asked {
  readonly filter: Filter;
  readonly check: Check;
}

/** All that a task of some words asks of a node, and an account of the nodes that would not do. */
export class Question {
  readonly #asked: readonly Asked[];

  constructor(task: Task, view: View) {
    this.#asked = FILTERS.flatMap((filter) => {
      const check = filter.ask(task, view);
      return check === undefined ? [] : [{ filter, check }];
    });
  }

  isFit(node: Node, load: NodeLoad): boolean {
    return this.#asked.every(({ check }) => check(node, load) === undefined);
  }

  /**
   * Why none of these nodes will do: each is counted for the first filter that it fails, the commonest reason first:
   * "insufficient resources on 2 nodes (memory); 1 node not available for new tasks". "" when there is no node.
   */
  explain(nodes: Iterable<readonly [Node, NodeLoad]>): string {
    const unfit = new Map<Filter, { nodes: number; readonly lacks: Set<string> }>();
    for (const [node, load] of nodes) {
      for (const { filter, check } of this.#asked) {
        const lack = check(node, load);
        if (lack === undefined) continue;
        const known = unfit.get(filter) ?? { nodes: 0, lacks: new Set<string>() };
        unfit.set(filter, known);
        known.nodes += 1;
        for (const word of lack) known.lacks.add(word);
        break;
      }
    }
    return FILTERS.flatMap((filter) => ({ filter, ...(unfit.get(filter) ?? { nodes: 0, lacks: [] }) }))
      .filter((reason) => reason.nodes > 0)
      .sort((a, b) => b.nodes - a.nodes)
      .map(({ filter, nodes: n, lacks }) => filter.explain(n) + wordsOfLack([...lacks]))
      .join("; ");
  }
}

function wordsOfLack(lacks: readonly string[]): string {
  return lacks.length === 0 ? "" : ` (${[...lacks].sort().join(", ")})`;
}
