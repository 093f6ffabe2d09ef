import type { Instant } from "../lib/index.ts";
import { isTerminal, isWanted, type Service, type Task, type UpdateConfig } from "../model/index.ts";
import { endedItself } from "./backoff.ts";
import { hasLanded, type Slot } from "./slots.ts";

/**
 * How long an updated task may take to run (and be healthy), the start period of its health check not counted. Swarm waits
 * for ever: for resources, for a pull, for health.
 */
export const PATIENCE_MS = 600_000;

/** What a rolling update tried in one slot, and what became of it. */
export interface Trial {
  readonly task: Task;
  /** When it came to run, ended without, or ran out of time; absent while it may still come. */
  readonly landedAt?: Instant;
  /** Until when it is watched. */
  readonly until: Instant;
  /** Why it counts as failed, as a clause. */
  readonly failure?: string;
}

/** How long a task is watched from when it runs; never less than the delay, or an update would not see what it waits for. */
export function monitorOf({ delayMs, monitorMs }: UpdateConfig): number {
  return delayMs >= monitorMs ? delayMs + 1_000 : monitorMs;
}

/** The slot's trial in the update to the words of now; undefined where it has begun nothing. */
export function trialOf(service: Service, slot: Slot, rules: UpdateConfig, now: Instant): Trial | undefined {
  const task = slot.tasks.findLast((each) => isEvidence(service, each) && hasVerdict(each));
  if (task === undefined) return undefined;
  return hasLanded(task) ? landed(task, monitorOf(rules)) : awaited(task, now);
}

/** The update made it, and is judged by it. Restarts of it are not: a slot fails once. */
export function isEvidence(service: Service, task: Task): boolean {
  return task.replaces !== undefined && task.specVersion === service.specVersion;
}

/** False for one that was told to go (its node was drained, say) before anything could be said of it. */
function hasVerdict(task: Task): boolean {
  return task.ranAt !== undefined || endedItself(task) || (isWanted(task) && !isTerminal(task));
}

/** It ran, or has ended; early when it did so before it ran, or while it was watched (swarmkit updater.go). */
function landed(task: Task, monitorMs: number): Trial {
  const end = task.endedAt ?? task.status.at;
  const landedAt = task.ranAt ?? end;
  const early = endedItself(task) && (task.ranAt === undefined || end - task.ranAt <= monitorMs);
  return { task, landedAt, until: landedAt + monitorMs, ...(early && { failure: endOf(task) }) };
}

function endOf({ status }: Task): string {
  return status.error ?? (status.state === "complete" ? "it completed" : `it was ${status.state}`);
}

/** It may still come to run, or its time is over. */
function awaited(task: Task, now: Instant): Trial {
  const patienceMs = PATIENCE_MS + (task.spec.container.health?.startPeriodMs ?? 0);
  const until = Math.max(task.createdAt, task.notBefore ?? 0) + patienceMs;
  if (now < until) return { task, until };
  return { task, until, landedAt: until, failure: lateness(task, patienceMs) };
}

/** "not running after 10 min, still pending: no suitable node (insufficient resources on 3 nodes)". */
function lateness({ status }: Task, patienceMs: number): string {
  const why = status.error ?? status.message;
  const reason = why === "" || why === status.state ? "" : `: ${why}`;
  return `not running after ${Math.ceil(patienceMs / 60_000)} min, still ${status.state}${reason}`;
}
