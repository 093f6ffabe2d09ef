import type { Instant } from "../lib/index.ts";
import {
  type Change,
  type Decision,
  isTerminal,
  type Plan,
  put,
  remove,
  type Service,
  stateRank,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isUpdating } from "./rules.ts";
import { neverRuns, nodeOf, type Slot, slotsOf } from "./slots.ts";
import { isEvidence } from "./trial.ts";

/** A node that has been down this long will not tell what became of its tasks (swarmkit dispatcher.go). */
export const ORPHAN_AFTER_MS: number = 24 * 3600 * 1000;

/** Records that one plan writes of a service; the next one goes on. */
const AT_ONCE = 200;

/**
 * Task records of one service that have had their day: those of a removed service are told to go; those told to go are
 * deleted once nothing can run under them; those whose node will never speak of them are orphaned; each slot keeps its
 * last few (swarmkit orchestrator/taskreaper).
 */
export function reapService(view: View, serviceId: string, { now }: Decision): Plan {
  const service = view.get("service", serviceId);
  const changes: Change[] = [];
  let again = Number.POSITIVE_INFINITY;
  for (const task of view.tasksByService(serviceId)) {
    const mustGo = service === undefined || task.desiredState === "remove";
    if (mustGo && isOver(view, task)) changes.push(remove("task", task));
    else if (mustGo && task.desiredState !== "remove")
      changes.push(put("task", { ...task, desiredState: "remove" }));
    else {
      const silence = silentFrom(view, task);
      if (silence === undefined) continue;
      if (silence.until <= now) changes.push(put("task", orphan(task, silence.why, now)));
      else again = Math.min(again, silence.until);
    }
  }
  if (service !== undefined) changes.push(...expired(view, service));
  return {
    changes: changes.slice(0, AT_ONCE),
    ...(Number.isFinite(again) && { again }),
    because: "task history",
  };
}

/** From when on nobody is expected to report on the task, and why; undefined while its node may. */
function silentFrom(view: View, task: Task): { readonly until: Instant; readonly why: string } | undefined {
  if (task.nodeId === undefined || isTerminal(task)) return undefined;
  const node = nodeOf(view, task);
  if (node === undefined) return { until: 0, why: "its node was removed" };
  if (node.status.state !== "down" || neverRuns(task)) return undefined;
  const until = (node.status.downAt ?? node.updatedAt) + ORPHAN_AFTER_MS;
  return { until, why: "its node has been down for 24 hours" };
}

function orphan(task: Task, message: string, now: Instant): Task {
  return { ...task, status: { at: now, state: "orphaned", message }, endedAt: now };
}

/** Nothing runs, or can run, under this record. */
function isOver(view: View, task: Task): boolean {
  if (task.nodeId === undefined || nodeOf(view, task) === undefined) return true;
  return isTerminal(task) || stateRank(task.status.state) < stateRank("assigned");
}

/**
 * What a slot has beyond as many tasks as the cluster keeps. (Swarm keeps one more than `max-attempts`, to count them by;
 * here a task knows its restarts.)
 */
function expired(view: View, service: Service): Change[] {
  const limit = view.cluster()?.spec.taskHistoryLimit ?? 5;
  if (limit < 0) return [];
  return slotsOf(view.tasksByService(service.id)).flatMap((slot) =>
    slot.tasks
      .slice(Math.max(limit, 1))
      .filter((task) => isHistory(service, slot, task))
      .map((task) => remove("task", task)),
  );
}

/**
 * It ended, or never began, and says nothing of how things stand now: a job's tasks stay wanted when they have completed,
 * and a rolling update is judged by the tasks that it made.
 */
function isHistory(service: Service, slot: Slot, task: Task): boolean {
  if (task.desiredState === "remove" || (isUpdating(service) && isEvidence(service, task))) return false;
  if (!isTerminal(task)) return neverRuns(task);
  return !slot.wanted.includes(task) || (task.jobIteration ?? 0) !== (service.job?.iteration ?? 0);
}
