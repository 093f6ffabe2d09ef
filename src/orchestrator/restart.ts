import type { Instant } from "../lib/index.ts";
import { type Decision, isTerminal, isWanted, type Service, stateRank, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { endedItself, historyAfter, mayRestart, restartDelay } from "./backoff.ts";
import { isDirty } from "./dirty.ts";
import { dismiss, isUnwelcome } from "./enforcer.ts";
import { freshTask, hasLanded, isNodeGone, nodeOf, placeOf, type Slot } from "./slots.ts";

/** How long a successor waits at most to see its predecessor stopped (swarmkit restart.go: 1 min). */
export const OLD_TASK_TIMEOUT_MS = 60_000;

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

/** The lost task told to stop, and its successor where the restart policy allows one. */
export function replaceLost(view: View, service: Service, lost: Task, decision: Decision): Task[] {
  const stopped = dismiss(view, lost);
  return mayRestart(lost) ? [stopped, successor(view, service, lost, decision)] : [stopped];
}

/**
 * The place's next task. An uprooted one is followed at once: there is nothing to back off from (Swarm delays after a death).
 * One that was itself still waiting hands on what it waited for. New words have failed nobody yet, and are tried at once.
 */
function successor(view: View, service: Service, old: Task, decision: Decision): Task {
  const renewed = isDirty(view, service, old);
  const history = renewed ? {} : historyAfter(old, decision.now);
  const waited = old.desiredState === "ready";
  const delay = renewed ? 0 : restartDelay(service.spec.task.restart, history.crashes ?? 0);
  const inherited = waited ? (old.notBefore ?? decision.now) : decision.now;
  const replaces = successorOf(old, renewed);
  return {
    ...freshTask(service, placeOf(old), decision),
    desiredState: "ready",
    notBefore: isUprooted(view, old) ? inherited : decision.now + delay,
    after: waited ? (old.after ?? old.id) : old.id,
    ...history,
    ...(replaces !== undefined && { replaces }),
  };
}

/**
 * What the successor replaces in a rolling update: a failed task gets the new words by being restarted, and one that lost
 * its node before it ran is tried again.
 */
function successorOf(old: Task, renewed: boolean): string | undefined {
  if (renewed) return endedItself(old) ? old.id : undefined;
  return endedItself(old) || hasLanded(old) ? undefined : old.replaces;
}

/**
 * A task that waits in READY: the task let go once its delay is over and those of its place that were told to go are seen
 * stopped (or cannot be waited for), else the instant to look again. One without a place could not run anyway: it waits also
 * for those whose host is down, since that may come back and take it.
 */
export function release(
  view: View,
  slot: Slot,
  task: Task,
  now: Instant,
): { go: true } | { go: false; again?: Instant } {
  const notBefore = task.notBefore ?? 0;
  if (now < notBefore) return { go: false, again: notBefore };
  const named = task.after === undefined ? undefined : view.get("task", task.after);
  const before = [...(named === undefined ? [] : [named]), ...slot.tasks.filter((other) => !isWanted(other))];
  const deadline = task.createdAt + OLD_TASK_TIMEOUT_MS;
  const holdsUp = task.nodeId === undefined ? mayBeFound : mayStillRun;
  if (now >= deadline || !before.some((other) => holdsUp(view, other))) return { go: true };
  return { go: false, again: deadline };
}

/** Its node knows of it, is there, and has not reported its end. */
export function mayStillRun(view: View, task: Task): boolean {
  return mayBeFound(view, task) && !isNodeGone(nodeOf(view, task), task);
}

/** Its node knows of it, and has not reported its end; if it is down, it may come back with it. */
function mayBeFound(view: View, task: Task): boolean {
  if (isTerminal(task) || nodeOf(view, task) === undefined) return false;
  return stateRank(task.status.state) >= stateRank("assigned");
}
