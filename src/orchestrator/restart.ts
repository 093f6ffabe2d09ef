import type { Instant } from "../lib/index.ts";
import { type Decision, isTerminal, type Service, type Task, type TaskState } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { dismiss, isUnwelcome } from "./enforcer.ts";
import { freshTask, isNodeGone, neverRuns, nodeOf, placeOf, type Slot } from "./slots.ts";

/** How long a successor waits at most to see its predecessor stopped (swarmkit restart.go: 1 min). */
export const OLD_TASK_TIMEOUT_MS = 60_000;

/** Ends that are the task's own doing; the others were ordered, or the node's. */
const OWN_ENDS: ReadonlySet<TaskState> = new Set(["complete", "failed", "rejected"]);

/** True when a wanted task will never run (again): it ended, or its node is gone, or is being drained. */
export function isLost(view: View, task: Task): boolean {
  return isTerminal(task) || isUprooted(view, task);
}

/** Its node is gone, being drained, or no longer fit for it: no fault of the task. */
export function isUprooted(view: View, task: Task): boolean {
  const node = nodeOf(view, task);
  return isNodeGone(node, task) || node?.spec.availability === "drain" || isUnwelcome(view, task);
}

/**
 * A task may end while it is still held back (it cannot be prepared, say): its own successor waits for the same instant,
 * or the two would chase each other without pause.
 */
export function isHeld(view: View, task: Task, now: Instant): boolean {
  return task.desiredState === "ready" && now < (task.notBefore ?? 0) && !isUprooted(view, task);
}

/** The slot's lost task told to stop, and its successor where the restart policy allows one. */
export function replaceLost(
  view: View,
  service: Service,
  slot: Slot,
  lost: Task,
  decision: Decision,
): Task[] {
  const stopped = dismiss(view, lost);
  if (!mayRestart(slot, lost)) return [stopped];
  return [stopped, successor(view, service, lost, decision)];
}

/**
 * The slot's next task. An uprooted one is followed at once: there is nothing to back off from (Swarm delays after a death).
 * One that was itself still waiting hands on what it waited for.
 */
function successor(view: View, service: Service, old: Task, decision: Decision): Task {
  const waited = old.desiredState === "ready";
  const delayed = decision.now + service.spec.task.restart.delayMs;
  const inherited = waited ? (old.notBefore ?? decision.now) : decision.now;
  return {
    ...freshTask(service, placeOf(old), decision),
    desiredState: "ready",
    notBefore: isUprooted(view, old) ? inherited : delayed,
    after: waited ? (old.after ?? old.id) : old.id,
  };
}

/** The restart policy's word on a task (swarmkit restart.go shouldRestart); it only judges ends of the task's own doing. */
export function mayRestart(slot: Slot, task: Task): boolean {
  const policy = task.spec.restart;
  if (!OWN_ENDS.has(task.status.state)) return true;
  if (policy.condition === "none") return false;
  if (policy.condition === "on-failure" && task.status.state === "complete") return false;
  if (policy.maxAttempts === 0) return true;
  return restartsOf(slot, task, policy.windowMs) < policy.maxAttempts;
}

/** Restarts of this task's words in its slot; within the window before its end when there is one. */
function restartsOf(slot: Slot, task: Task, windowMs: number): number {
  const same = slot.tasks.filter((t) => t.specVersion === task.specVersion);
  const restarts = same.slice(0, -1);
  const since = (task.endedAt ?? task.status.at) - windowMs;
  return windowMs === 0 ? restarts.length : restarts.filter((t) => t.createdAt > since).length;
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
    before.nodeId === undefined ||
    isTerminal(before) ||
    neverRuns(before) ||
    isNodeGone(nodeOf(view, before), before);
  if (stopped || now >= deadline) return { go: true };
  return { go: false, again: deadline };
}
