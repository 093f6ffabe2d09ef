import type { Instant } from "../lib/index.ts";
import type { Service, UpdateStatus } from "../model/index.ts";
import { isRollback, rulesOf } from "./rules.ts";
import type { Trial } from "./trial.ts";

/**
 * The service with its update paused or rolled back when too many trials failed; undefined to go on. `slots`: how many
 * the update concerns, done or not: the failure ratio counts over them (swarmkit updater.go).
 */
export function judge(
  service: Service,
  trials: readonly Trial[],
  slots: number,
  now: Instant,
): Service | undefined {
  const { failureAction, maxFailureRatio } = rulesOf(service);
  const failures = trials.filter((trial) => trial.failure !== undefined);
  if (failures.length === 0) return undefined;
  const bears =
    failureAction === "continue" ? !eatsUp(service, failures) : failures.length / slots <= maxFailureRatio;
  if (bears) return undefined;
  const because = `due to failure or early termination of ${lastOf(failures)}`;
  // A rollback is never rolled back.
  if (isRollback(service)) return withStatus(service, "rollback_paused", `rollback paused ${because}`);
  if (failureAction === "rollback" && service.previousSpec !== undefined) {
    return rolledBack(service, service.previousSpec, now, `update rolled back ${because}`);
  }
  return withStatus(service, "paused", `update paused ${because}`);
}

/**
 * Going on would stop one task after the other that runs, for others that no node has room for: what "continue" bears is
 * failures of tasks, not that.
 */
function eatsUp(service: Service, failures: readonly Trial[]): boolean {
  return rulesOf(service).order === "stop-first" && failures.some(({ task }) => task.nodeId === undefined);
}

/** The service with its update at an end: all slots done and watched. */
export function completed(service: Service, trials: readonly Trial[], now: Instant): Service {
  const failures = trials.filter((trial) => trial.failure !== undefined);
  const notes = [
    // An automatic rollback leaves no way back, and its reason would be forgotten with it.
    ...(isRollback(service) && service.previousSpec === undefined
      ? [service.updateStatus?.message ?? ""]
      : []),
    ...(failures.length > 0
      ? [`${failures.length} of ${trials.length} tasks failed, the last of them ${lastOf(failures)}`]
      : []),
  ];
  const state = isRollback(service) ? "rollback_completed" : "completed";
  const words = isRollback(service) ? "rollback completed" : "update completed";
  return withStatus(service, state, [words, ...notes].join(": "), now);
}

/** "task <id>: <why>" of the one that failed last. */
function lastOf(failures: readonly Trial[]): string {
  const last = failures.reduce((a, b) => (endOf(b) > endOf(a) ? b : a));
  return `task ${last.task.id}: ${last.failure}`;
}

function endOf({ task, landedAt }: Trial): Instant {
  return task.endedAt ?? landedAt ?? 0;
}

function withStatus(
  service: Service,
  state: UpdateStatus["state"],
  message: string,
  completedAt?: Instant,
): Service {
  const startedAt = service.updateStatus?.startedAt ?? service.updatedAt;
  const status = { state, startedAt, message, ...(completedAt !== undefined && { completedAt }) };
  return { ...service, updateStatus: status };
}

function rolledBack(
  { previousSpec: _, ...service }: Service,
  spec: Service["spec"],
  now: Instant,
  message: string,
): Service {
  const updateStatus: UpdateStatus = { state: "rollback_started", startedAt: now, message };
  return { ...service, spec, specVersion: service.version + 1, updateStatus };
}
