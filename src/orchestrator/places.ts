import { type Decision, isTerminal, type Node, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { historyAfter, mayRestart } from "./backoff.ts";
import { isDirty } from "./dirty.ts";
import { dismiss } from "./enforcer.ts";
import { forget } from "./forget.ts";
import { freshTask, neverRuns, type Place, type Slot } from "./slots.ts";

/** The slots of these nodes. */
export function slotsOn<S extends Slot>(slots: readonly S[], nodes: readonly Node[]): S[] {
  const ids = new Set(nodes.map((node) => node.id));
  return slots.filter((slot) => ids.has(slot.key));
}

/**
 * A place's first task, or its next; one that still stops there is waited for. `past`: the place's tasks so far, newest
 * first: the new task knows of those with the same words and, a job's, of the same run.
 */
export function settle(
  view: View,
  service: Service,
  place: Place,
  past: readonly Task[],
  decision: Decision,
): Task {
  const bare = freshTask(service, place, decision);
  const [old] = past;
  const follows = old !== undefined && old.jobIteration === bare.jobIteration && !isDirty(view, service, old);
  const fresh = follows ? { ...bare, ...historyAfter(old, decision.now) } : bare;
  const last = past.find((task) => !isTerminal(task) && !neverRuns(task));
  return last === undefined ? fresh : { ...fresh, desiredState: "ready", after: last.id };
}

/** A node is not for the service any more: what runs there stops. Of a node that is no more not even records stay. */
export function vacate(view: View, slot: Slot): Task[] {
  if (view.get("node", slot.key) === undefined) return forget(slot.tasks);
  return slot.wanted.filter((task) => !isTerminal(task)).map((task) => dismiss(view, task));
}

/** A paused node keeps what it has: what ended there is not followed until it is active again. */
export function pause(view: View, slot: Slot): Task[] {
  return slot.wanted
    .filter((task) => isTerminal(task) && mayRestart(task))
    .map((task) => dismiss(view, task));
}
