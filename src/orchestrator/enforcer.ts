import {
  type GenericResource,
  isTerminal,
  isWanted,
  meetsAll,
  type Node,
  stateRank,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { nodeOf } from "./slots.ts";

/**
 * True when the task's node has changed since it was placed, so that it would not be placed there now: the node no longer
 * meets its constraints, or has less than it reserves (swarmkit orchestrator/constraintenforcer). Only active nodes are
 * looked at: a paused one keeps what it has. It is judged by its own words: what the service says now is the update's.
 */
export function isUnwelcome(view: View, task: Task): boolean {
  const node = nodeOf(view, task);
  if (node?.spec.availability !== "active" || !holdsPlace(task)) return false;
  return !meetsAll(task.spec.placement.constraints, node) || isCrowdedOut(view, node, task);
}

/** The task told to stop, with Swarm's words where the reason is its node. */
export function dismiss(view: View, task: Task): Task {
  const told: Task = { ...task, desiredState: "shutdown" };
  if (!isUnwelcome(view, task)) return told;
  const message = "task rejected by constraint enforcer";
  const error = "assigned node no longer meets constraints";
  return { ...told, status: { ...task.status, message, error } };
}

function holdsPlace(task: Task): boolean {
  return isWanted(task) && !isTerminal(task) && stateRank(task.status.state) >= stateRank("assigned");
}

/** What the node has does not do for this task and those that were there before it. */
function isCrowdedOut(view: View, node: Node, task: Task): boolean {
  if (!reserves(task) || node.description === undefined) return false;
  let { nanoCpus, memoryBytes } = node.description.resources;
  const older = [...view.tasksByNode(node.id)]
    .filter((other) => reserves(other) && holdsPlace(other))
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const generic = new Pool(node.description.resources.generic);
  for (const one of older) {
    const want = one.spec.resources.reservations;
    const fits = want.nanoCpus <= nanoCpus && want.memoryBytes <= memoryBytes && generic.has(one.generic);
    if (one.id === task.id) return !fits;
    if (!fits) continue;
    nanoCpus -= want.nanoCpus;
    memoryBytes -= want.memoryBytes;
    generic.take(one.generic);
  }
  return false;
}

function reserves({ spec, generic }: Task): boolean {
  const { nanoCpus, memoryBytes } = spec.resources.reservations;
  return nanoCpus > 0 || memoryBytes > 0 || (generic ?? []).length > 0;
}

/** What is left of a node's generic resources: counts by kind, and the members of named sets. */
class Pool {
  readonly #counts = new Map<string, number>();
  readonly #named: Set<string>;

  constructor(resources: readonly GenericResource[]) {
    this.#named = new Set(resources.flatMap((r) => ("id" in r ? [`${r.kind}=${r.id}`] : [])));
    for (const r of resources) if ("count" in r) this.#counts.set(r.kind, r.count);
  }

  has(claim: readonly GenericResource[] = []): boolean {
    return claim.every((r) =>
      "id" in r ? this.#named.has(`${r.kind}=${r.id}`) : r.count <= (this.#counts.get(r.kind) ?? 0),
    );
  }

  take(claim: readonly GenericResource[] = []): void {
    for (const r of claim) {
      if ("id" in r) this.#named.delete(`${r.kind}=${r.id}`);
      else this.#counts.set(r.kind, (this.#counts.get(r.kind) ?? 0) - r.count);
    }
  }
}
