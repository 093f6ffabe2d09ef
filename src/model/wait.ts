import { isTerminal, type Task } from "./task.ts";

/**
 * Why a task that has nothing else to complain of does not run yet: "restarting in back-off: 40 s after 4 failures".
 * Undefined when it does not wait, or no longer than its policy's own delay.
 */
export function explainWait(
  task: Pick<Task, "desiredState" | "status" | "createdAt" | "notBefore" | "crashes">,
): string | undefined {
  const { desiredState, notBefore, createdAt, crashes = 0 } = task;
  if (desiredState !== "ready" || isTerminal(task) || notBefore === undefined || crashes < 2)
    return undefined;
  const waitMs = notBefore - createdAt;
  return waitMs <= 0 ? undefined : `restarting in back-off: ${span(waitMs)} after ${crashes} failures`;
}

/** "40 s", "1.5 s", "5 min". */
function span(ms: number): string {
  return ms >= 120_000 && ms % 60_000 === 0 ? `${ms / 60_000} min` : `${Math.round(ms / 100) / 10} s`;
}
