import { meetsAll, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { holdsPlace, isCrowdedOut } from "./crowd.ts";
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
