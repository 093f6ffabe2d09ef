import { equal, LayeredMap } from "../lib/index.ts";
import {
  isTerminal,
  isWanted,
  lackOf,
  type Node,
  reserves,
  stateRank,
  stillHas,
  type Taken,
  type Task,
  take,
} from "../model/index.ts";
import type { Derived, View } from "../store/index.ts";

/** It was given to its node, and is to run there. One that stops already keeps others from being placed, and pushes nobody out. */
export function holdsPlace(task: Task): boolean {
  return isWanted(task) && !isTerminal(task) && stateRank(task.status.state) >= stateRank("assigned");
}

function holds(task: Task | undefined): task is Task & { readonly nodeId: string } {
  return task?.nodeId !== undefined && reserves(task) && holdsPlace(task);
}

/** What those that hold a place have taken, by node: a value of its own for each set of holders. */
export const HELD: Derived<LayeredMap<Taken>> = {
  empty: () => new LayeredMap(),
  fork: (held) => held.fork(),
  apply(held, { kind, before, after }) {
    if (kind !== "task") return;
    const [old, now] = [before as Task | undefined, after as Task | undefined];
    if (holds(old) && holds(now) && old.nodeId === now.nodeId && equal(old.generic, now.generic)) return;
    if (holds(old)) move(held, old, -1);
    if (holds(now)) move(held, now, 1);
  },
};

function move(held: LayeredMap<Taken>, task: Task & { readonly nodeId: string }, step: 1 | -1): void {
  const taken = copyOf(held.get(task.nodeId) ?? nothing());
  take(taken, task, step);
  const isNothing = taken.nanoCpus === 0 && taken.memoryBytes === 0 && taken.generic.size === 0;
  held.set(task.nodeId, isNothing ? undefined : taken);
}

function nothing(): Taken {
  return { nanoCpus: 0, memoryBytes: 0, generic: new Map() };
}

function copyOf({ generic, ...rest }: Taken): Taken {
  const claims = [...generic].map(
    ([kind, { count, names }]) => [kind, { count, names: new Map(names) }] as const,
  );
  return { ...rest, generic: new Map(claims) };
}

type Resources = NonNullable<Node["description"]>["resources"];

/** Answers given before: all tasks of a node ask the same. */
const ANSWERS = new WeakMap<Taken, { readonly of: Resources; readonly out: ReadonlySet<string> }>();

/** True when what the node has does not do for this task and those that were there before it. */
export function isCrowdedOut(view: View, { id, description }: Node, task: Task): boolean {
  if (!holds(task) || description === undefined) return false;
  const taken = view.derive(HELD).get(id);
  if (taken === undefined) return false;
  const known = ANSWERS.get(taken);
  const out = known?.of === description.resources ? known.out : crowdedOut(view, id, description.resources);
  ANSWERS.set(taken, { of: description.resources, out });
  return out.has(task.id);
}

/** The ids of those who must go: the oldest stay, as far as there is room. */
function crowdedOut(view: View, nodeId: string, resources: Resources): Set<string> {
  const holders = [...view.tasksByNode(nodeId)]
    .filter(holds)
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const taken = nothing();
  const out = new Set<string>();
  for (const task of holders) {
    const lack = lackOf(resources, taken, task.spec.resources.reservations);
    if (lack.length > 0 || !stillHas(resources, task.generic)) out.add(task.id);
    else take(taken, task, 1);
  }
  return out;
}
