import { isWanted, type Node, stateRank, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";

/** All tasks that share one slot of a service, newest first. */
export interface Slot {
  readonly number: number;
  readonly tasks: readonly Task[];
  /** Those the manager wants to run. */
  readonly wanted: readonly Task[];
}

/** A service's tasks by slot, in order of slot number. */
export function slotsOf(tasks: Iterable<Task>): Slot[] {
  const bySlot = new Map<number, Task[]>();
  for (const task of tasks) {
    const slot = bySlot.get(task.slot);
    if (slot === undefined) bySlot.set(task.slot, [task]);
    else slot.push(task);
  }
  return [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([number, of]) => {
      const sorted = of.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
      return { number, tasks: sorted, wanted: sorted.filter(isWanted) };
    });
}

/** True when the task's node cannot run it any more: removed or down. A task without a node has none to lose. */
export function isNodeGone(node: Node | undefined, task: Task): boolean {
  return task.nodeId !== undefined && (node === undefined || node.status.state === "down");
}

export function nodeOf(view: View, task: Task): Node | undefined {
  return task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
}

/** True when the task is seen running. */
export function isRunning(task: Task): boolean {
  return task.status.state === "running";
}

/** True once the task has come as far as running, whether or not it still does. */
export function hasLanded(task: Task): boolean {
  return stateRank(task.status.state) >= stateRank("running");
}
