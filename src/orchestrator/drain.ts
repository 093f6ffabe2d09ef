import { type Decision, isGlobal, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { mayRestart } from "./backoff.ts";
import { isDirty } from "./dirty.ts";
import { dismiss } from "./enforcer.ts";
import { isUprooted } from "./restart.ts";
import { freshTask, isNodeGone, isRunning, nodeOf, type Slot } from "./slots.ts";

/**
 * True when the task must go from its node, but runs on until its successor runs elsewhere: its service asks for new tasks
 * first. (Swarm stops it at once: a drain costs it capacity.) It has no deadline: without a place for the successor,
 * which says so, the old task stays.
 */
export function isLeaving(view: View, service: Service, task: Task): boolean {
  if (service.spec.update?.order !== "start-first" || isGlobal(task.mode)) return false;
  return isRunning(task) && !isNodeGone(nodeOf(view, task), task) && isUprooted(view, task);
}

/** The next step of a slot with tasks that leave: their successor made, or they told to go since it runs. */
export function moveOut(
  view: View,
  service: Service,
  slot: Slot,
  leaving: ReadonlySet<Task>,
  decision: Decision,
): Task[] {
  const going = slot.wanted.filter((task) => leaving.has(task));
  if (going.length === 0) return [];
  const others = slot.wanted.filter((task) => !leaving.has(task));
  if (others.some(isRunning)) return going.map((task) => dismiss(view, task));
  const surplus = going.slice(1).map((task) => dismiss(view, task));
  if (others.length > 0 || hasFailed(view, service, slot, leaving)) return surplus;
  return [freshTask(service, slot, decision), ...surplus];
}

/** A successor with the words of now was tried and ended for good: what runs, runs on. */
function hasFailed(view: View, service: Service, slot: Slot, leaving: ReadonlySet<Task>): boolean {
  const tried = slot.tasks.find((task) => !leaving.has(task) && !isDirty(view, service, task));
  return tried !== undefined && !mayRestart(tried);
}
