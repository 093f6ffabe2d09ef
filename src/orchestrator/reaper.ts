import {
  type Change,
  type Decision,
  isTerminal,
  type Plan,
  put,
  remove,
  stateRank,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { nodeOf, slotsOf } from "./slots.ts";

/**
 * Task records that have had their day: tasks of removed services are told to go; records told to go are deleted once
 * nothing can run under them; tasks of removed nodes are orphaned; each slot keeps its last few (swarmkit
 * orchestrator/taskreaper, controlapi/node.go).
 */
export function planReap(view: View, { now }: Decision): Plan {
  const limit = view.cluster()?.spec.taskHistoryLimit ?? 5;
  const changes: Change[] = [];
  for (const task of view.all("task")) {
    const orphan = view.get("service", task.serviceId) === undefined;
    if ((orphan || task.desiredState === "remove") && isOver(view, task)) changes.push(remove("task", task));
    else if (orphan && task.desiredState !== "remove")
      changes.push(put("task", { ...task, desiredState: "remove" }));
    else if (isHomeless(view, task)) {
      const status = { at: now, state: "orphaned", message: "its node was removed" } as const;
      changes.push(put("task", { ...task, status, endedAt: now }));
    }
  }
  for (const service of view.all("service")) changes.push(...expired(view, service.id, limit));
  return { changes, because: "task history" };
}

/** Its node is no more, so nobody will ever report on it. */
function isHomeless(view: View, task: Task): boolean {
  return task.nodeId !== undefined && !isTerminal(task) && nodeOf(view, task) === undefined;
}

/** Nothing runs, or can run, under this record. */
function isOver(view: View, task: Task): boolean {
  if (task.nodeId === undefined || nodeOf(view, task) === undefined) return true;
  return isTerminal(task) || stateRank(task.status.state) < stateRank("assigned");
}

function expired(view: View, serviceId: string, limit: number): Change[] {
  if (limit < 0) return [];
  return slotsOf(view.tasksByService(serviceId)).flatMap((slot) => {
    const attempts = slot.tasks[0]?.spec.restart.maxAttempts ?? 0;
    const keep = Math.max(attempts > 0 ? attempts + 1 : limit, 1);
    const spare = slot.tasks
      .slice(keep)
      .filter((t) => t.desiredState !== "remove" && isTerminal(t) && !slot.wanted.includes(t));
    return spare.map((task) => remove("task", task));
  });
}
