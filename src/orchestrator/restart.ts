import type { Instant } from "../lib/index.ts";
import { type Decision, newTask, type Service, stateRank, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isNodeGone, nodeOf, type Slot } from "./slots.ts";

/** How long a successor waits at most to see its predecessor stopped (swarmkit restart.go: 1 min). */
export const OLD_TASK_TIMEOUT_MS = 60_000;

/** True when a wanted task will never run (again): it ended, or its node is gone, or is being drained. */
export function isLost(view: View, task: Task): boolean {
  const node = nodeOf(view, task);
  return (
    stateRank(task.status.state) > stateRank("running") ||
    isNodeGone(node, task) ||
    node?.spec.availability === "drain"
  );
}

/** The slot's lost task told to stop, and its successor where the restart policy allows one. */
export function replaceLost(
  view: View,
  service: Service,
  slot: Slot,
  lost: Task,
  decision: Decision,
): Task[] {
  const stopped: Task = { ...lost, desiredState: "shutdown" };
  if (!mayRestart(view, slot, lost)) return [stopped];
  return [stopped, successor(view, service, lost, decision)];
}

function successor(view: View, service: Service, old: Task, decision: Decision): Task {
  const node = nodeOf(view, old);
  // A drained or dead node is no fault of the task: nothing to back off from. (Swarm delays after a death.)
  const blameless = node?.spec.availability === "drain" || isNodeGone(node, old);
  const delay = blameless ? 0 : service.spec.task.restart.delayMs;
  return {
    ...newTask(decision.newId(), service, old.slot, decision.now),
    desiredState: "ready",
    notBefore: decision.now + delay,
    after: old.id,
  };
}

/** The restart policy's word on a task that ended (swarmkit restart.go shouldRestart). Losing its node is no fault of the task. */
export function mayRestart(view: View, slot: Slot, task: Task): boolean {
  const policy = task.spec.restart;
  const ended = stateRank(task.status.state) > stateRank("running");
  if (!ended || nodeOf(view, task)?.spec.availability === "drain") return true;
  if (policy.condition === "none") return false;
  if (policy.condition === "on-failure" && task.status.state === "complete") return false;
  if (policy.maxAttempts === 0) return true;
  return restartsOf(slot, task, policy.windowMs) < policy.maxAttempts;
}

/** Restarts of this task's words in its slot; within the window before its end when there is one. */
function restartsOf(slot: Slot, task: Task, windowMs: number): number {
  const same = slot.tasks.filter((t) => t.specVersion === task.specVersion);
  const restarts = same.slice(0, -1);
  return windowMs === 0
    ? restarts.length
    : restarts.filter((t) => t.createdAt > task.status.at - windowMs).length;
}

/**
 * A task that waits in READY: the task let go once its delay is over and its predecessor is seen stopped
 * (or cannot be waited for), else the instant to look again.
 */
export function release(view: View, task: Task, now: Instant): { go: true } | { go: false; again?: Instant } {
  const notBefore = task.notBefore ?? 0;
  if (now < notBefore) return { go: false, again: notBefore };
  const before = task.after === undefined ? undefined : view.get("task", task.after);
  const deadline = task.createdAt + OLD_TASK_TIMEOUT_MS;
  const stopped =
    before === undefined ||
    stateRank(before.status.state) > stateRank("running") ||
    isNodeGone(nodeOf(view, before), before) ||
    before.nodeId === undefined;
  if (stopped || now >= deadline) return { go: true };
  return { go: false, again: deadline };
}
