import {
  isTerminal,
  isWanted,
  lackOf,
  meetsAll,
  type Node,
  reserves,
  stateRank,
  stillHas,
  type Taken,
  type Task,
  take,
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

/**
 * What the node has does not do for this task and those that were there before it. One that stops already pushes nobody
 * out: it keeps others from being placed, no longer.
 */
function isCrowdedOut(view: View, { id, description }: Node, task: Task): boolean {
  if (!reserves(task) || description === undefined) return false;
  const { resources } = description;
  const older = [...view.tasksByNode(id)]
    .filter((other) => reserves(other) && holdsPlace(other))
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const taken: Taken = { nanoCpus: 0, memoryBytes: 0, generic: new Map() };
  for (const one of older) {
    const fits =
      stillHas(resources, one.generic) &&
      lackOf(resources, taken, one.spec.resources.reservations).length === 0;
    if (one.id === task.id) return !fits;
    if (fits) take(taken, one, 1);
  }
  return false;
}
