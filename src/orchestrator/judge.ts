import type { Instant } from "../lib/index.ts";
import {
  DEFAULT_UPDATE,
  isTerminal,
  type Service,
  type Task,
  type TaskState,
  type UpdateStatus,
} from "../model/index.ts";
import type { Slot } from "./slots.ts";

/** Ends that nobody ordered. */
const EARLY_ENDS: ReadonlySet<TaskState> = new Set(["complete", "failed", "rejected"]);

/**
 * The service with its update paused or rolled back when too many slots' new tasks ended early; undefined to go on.
 * `slots`: all that the update concerns, done or not: the failure ratio counts over them (swarmkit updater.go).
 */
export function judge(service: Service, slots: readonly Slot[], now: Instant): Service | undefined {
  const { failureAction, maxFailureRatio, monitorMs } = service.spec.update ?? DEFAULT_UPDATE;
  const status = service.updateStatus;
  if (failureAction === "continue" || status === undefined) return undefined;
  const failures = slots.flatMap((slot) => earlyEnd(service, slot, status, monitorMs) ?? []);
  const [first] = failures;
  if (first === undefined || failures.length / slots.length <= maxFailureRatio) return undefined;
  const because = `due to failure or early termination of task ${first.id}`;
  if (status.state === "rollback_started")
    return halted(service, status, "rollback_paused", `rollback paused ${because}`);
  if (failureAction === "rollback" && service.previousSpec !== undefined) {
    return rolledBack(service, service.previousSpec, now, `update rolled back ${because}`);
  }
  return halted(service, status, "paused", `update paused ${because}`);
}

/**
 * The slot's first task of the new words, when it ended before it ran or within the monitor time of that. Its successors
 * are restarts and count no more.
 */
function earlyEnd(service: Service, slot: Slot, status: UpdateStatus, monitorMs: number): Task | undefined {
  const first = slot.tasks.findLast(
    (task) => task.specVersion === service.specVersion && task.createdAt >= status.startedAt,
  );
  if (first === undefined || !isTerminal(first) || !EARLY_ENDS.has(first.status.state)) return undefined;
  const ran = first.ranAt === undefined ? 0 : (first.endedAt ?? first.status.at) - first.ranAt;
  return ran <= monitorMs ? first : undefined;
}

function halted(
  service: Service,
  status: UpdateStatus,
  state: UpdateStatus["state"],
  message: string,
): Service {
  return { ...service, updateStatus: { ...status, state, message } };
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
