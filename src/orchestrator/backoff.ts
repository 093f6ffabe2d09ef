import type { Instant } from "../lib/index.ts";
import { isJob, type RestartPolicy, type Task, type TaskState } from "../model/index.ts";

/** A task that ran this long was well: what follows it starts afresh (Docker's engine resets its restart delay so). */
export const STABLE_RUN_MS = 10_000;
/** No restart waits longer, but for a delay that the user has set so. */
export const MAX_BACKOFF_MS = 300_000;
/** A delay of nothing would never grow: from the second failure on it counts as this. */
const LEAST_DELAY_MS = 1_000;
/** More doublings than it takes from a millisecond to the longest delay change nothing. */
const MAX_DOUBLINGS = 40;

/** Ends that are the task's own doing; the others were ordered, or the node's. */
const OWN_ENDS: ReadonlySet<TaskState> = new Set(["complete", "failed", "rejected"]);

export function endedItself({ status }: Task): boolean {
  return OWN_ENDS.has(status.state);
}

/**
 * How long a restart waits after so many failures in a row, none of which ran long: the policy's delay, doubled for every
 * further one. With 5 s: 5, 10, 20, 40, 80, 160, 300 s.
 */
export function restartDelay({ delayMs }: RestartPolicy, crashes: number): number {
  if (crashes < 2) return delayMs;
  const doublings = Math.min(crashes - 1, MAX_DOUBLINGS);
  const grown = Math.max(delayMs * 2 ** doublings, LEAST_DELAY_MS * 2 ** (doublings - 1));
  return Math.max(delayMs, Math.min(grown, MAX_BACKOFF_MS));
}

/** What a task's successor with the same words remembers of those before it: records of them may be gone by then. */
export function historyAfter(old: Task, now: Instant): Pick<Task, "crashes" | "restarts"> {
  const crashes = wasWell(old) ? 0 : (old.crashes ?? 0) + Number(endedItself(old));
  const { maxAttempts, windowMs } = old.spec.restart;
  const earlier = (old.restarts ?? []).filter((at) => windowMs === 0 || at > now - windowMs);
  const restarts = endedItself(old) ? [...earlier, now] : earlier;
  return {
    ...(crashes > 0 && { crashes }),
    ...(maxAttempts > 0 && restarts.length > 0 && { restarts: restarts.slice(-maxAttempts) }),
  };
}

/** It did what it was to do, or ran long. Services that run a program to its end again and again are no crash loop. */
function wasWell({ ranAt, endedAt, status }: Task): boolean {
  if (status.state === "complete") return true;
  return ranAt !== undefined && (endedAt ?? status.at) - ranAt >= STABLE_RUN_MS;
}

/**
 * The restart policy's word on a task (swarmkit restart.go shouldRestart). It only judges ends of the task's own doing:
 * who lost its node is always followed. A job that completed is done, whatever the condition.
 */
export function mayRestart(task: Task): boolean {
  const { condition, maxAttempts, windowMs } = task.spec.restart;
  if (!endedItself(task)) return true;
  if (condition === "none") return false;
  const onFailure = condition === "on-failure" || isJob(task.mode);
  if (onFailure && task.status.state === "complete") return false;
  if (maxAttempts === 0) return true;
  const since = (task.endedAt ?? task.status.at) - windowMs;
  const counted = (task.restarts ?? []).filter((at) => windowMs === 0 || at > since);
  return counted.length < maxAttempts;
}
