import {
  type Decision,
  isGlobal,
  isWanted,
  type Node,
  newTask,
  type Service,
  stateRank,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";

/** Where a service's task belongs: its slot number; of a global service, whose number is 0, the node. */
export interface Place {
  readonly number: number;
  readonly nodeId?: string;
}

/** All tasks that share one place of a service, newest first. */
export interface Slot extends Place {
  readonly key: string;
  readonly tasks: readonly Task[];
  /** Those the manager wants to run. */
  readonly wanted: readonly Task[];
}

/** A service's tasks by slot, in order of slot number or node id. */
export function slotsOf(tasks: Iterable<Task>): Slot[] {
  const byKey = new Map<string, Task[]>();
  for (const task of tasks) {
    const slot = byKey.get(keyOf(task));
    if (slot === undefined) byKey.set(keyOf(task), [task]);
    else slot.push(task);
  }
  return [...byKey].map(([key, of]) => slotOf(key, of)).sort(byPlace);
}

function slotOf(key: string, tasks: Task[]): Slot {
  const sorted = tasks.sort(newestFirst);
  return { key, ...placeOf(sorted[0]), tasks: sorted, wanted: sorted.filter(isWanted) };
}

/** Of two that were born at one instant the one that waits for the other is the newer, or that remembers more ends before it. */
function newestFirst(a: Task, b: Task): number {
  if (a.createdAt !== b.createdAt) return b.createdAt - a.createdAt;
  if (a.after === b.id) return -1;
  if (b.after === a.id) return 1;
  const [ofA, ofB] = [a.crashes ?? 0, b.crashes ?? 0];
  if (ofA !== ofB) return ofB - ofA;
  return a.id < b.id ? 1 : -1;
}

export function placeOf(task: Task | undefined): Place {
  const number = task?.slot ?? 0;
  return isGlobal(task?.mode) && task?.nodeId !== undefined ? { number, nodeId: task.nodeId } : { number };
}

/** Swarm's word for a place: the slot number, or the node of a global service. */
function keyOf({ mode, slot, nodeId }: Task): string {
  return isGlobal(mode) ? (nodeId ?? "") : String(slot);
}

function byPlace(a: Slot, b: Slot): number {
  return a.number - b.number || (a.key < b.key ? -1 : 1);
}

/** A new task for a place. */
export function freshTask(service: Service, { number, nodeId }: Place, decision: Decision): Task {
  const task = newTask(decision.newId(), service, number, decision.now);
  return nodeId === undefined ? task : { ...task, nodeId };
}

/** True when the task's node cannot run it any more: removed or down. A task without a node has none to lose. */
export function isNodeGone(node: Node | undefined, task: Task): boolean {
  return task.nodeId !== undefined && (node === undefined || node.status.state === "down");
}

export function nodeOf(view: View, task: Task): Node | undefined {
  return task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
}

/** Told to stop before its node was told of it: nothing runs, or will. */
export function neverRuns(task: Task): boolean {
  return !isWanted(task) && stateRank(task.status.state) < stateRank("assigned");
}

/** True when the task is seen running. */
export function isRunning(task: Task): boolean {
  return task.status.state === "running";
}

/** True once the task has come as far as running, whether or not it still does. */
export function hasLanded(task: Task): boolean {
  return stateRank(task.status.state) >= stateRank("running");
}
