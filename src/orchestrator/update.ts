import type { Instant } from "../lib/index.ts";
import {
  DEFAULT_UPDATE,
  type Decision,
  isTerminal,
  newTask,
  type Service,
  stateRank,
  type Task,
  type UpdateConfig,
  type UpdateStatus,
} from "../model/index.ts";
import { isDirty } from "./dirty.ts";
import { isRunning, type Slot } from "./slots.ts";

/** What a rolling update does next: tasks to write, the service's new status, when to look again. */
export interface UpdateStep {
  readonly tasks: readonly Task[];
  readonly service?: Service;
  readonly again?: Instant;
}

const HALTED: ReadonlySet<UpdateStatus["state"]> = new Set(["paused", "rollback_paused"]);
const ACTIVE: ReadonlySet<UpdateStatus["state"]> = new Set(["updating", "rollback_started"]);

/**
 * One step of the rolling update (swarm-map 3.6, swarmkit update/updater.go) over slots that each hold a wanted task.
 * Slots are taken `parallelism` at a time; a slot is in flight until its new task runs; `delay` counts from then.
 * `settled`: no slot is left out because its task was just lost; only then may the update be called completed.
 */
export function stepUpdate(
  service: Service,
  slots: readonly Slot[],
  { settled }: { settled: boolean },
  decision: Decision,
): UpdateStep {
  const status = service.updateStatus;
  if (status !== undefined && HALTED.has(status.state)) return { tasks: [] };
  const retired = slots.flatMap((slot) => retire(service, slot));
  const dirty = slots.filter((slot) => slot.wanted.every((task) => isDirty(service, task)));
  if (dirty.length === 0) return settled ? finish(service, slots, retired, decision.now) : { tasks: retired };
  if (status === undefined || !ACTIVE.has(status.state)) {
    const updateStatus = {
      state: "updating",
      startedAt: decision.now,
      message: "update in progress",
    } as const;
    return { ...advance(service, slots, dirty, retired, decision), service: { ...service, updateStatus } };
  }
  const failed = halt(service, slots, decision.now);
  if (failed !== undefined) return { tasks: retired, service: failed };
  return advance(service, slots, dirty, retired, decision);
}

function configOf(service: Service): UpdateConfig {
  return service.spec.update ?? DEFAULT_UPDATE;
}

/** Old tasks of a slot whose clean one runs already (start-first), told to stop. */
function retire(service: Service, slot: Slot): Task[] {
  const clean = slot.wanted.find((task) => !isDirty(service, task) && isRunning(task));
  if (clean === undefined) return [];
  return slot.wanted
    .filter((task) => task !== clean)
    .map((task) => ({ ...task, desiredState: "shutdown" as const }));
}

/** Takes as many dirty slots as the config allows now. */
function advance(
  service: Service,
  slots: readonly Slot[],
  dirty: readonly Slot[],
  retired: readonly Task[],
  decision: Decision,
): UpdateStep {
  const config = configOf(service);
  const updated = slots.filter((slot) => !dirty.includes(slot));
  const inFlight = updated.filter((slot) => !slot.wanted.some((t) => !isDirty(service, t) && isRunning(t)));
  const started = service.updateStatus?.startedAt ?? decision.now;
  const runningSince = updated.flatMap((slot) =>
    slot.wanted.filter((t) => isRunning(t) && t.createdAt >= started).map((t) => t.status.at),
  );
  const pauseUntil = runningSince.length === 0 ? 0 : Math.max(...runningSince) + config.delayMs;
  if (config.delayMs > 0 && decision.now < pauseUntil) return { tasks: retired, again: pauseUntil };
  const room = config.parallelism === 0 ? dirty.length : Math.max(0, config.parallelism - inFlight.length);
  const taken = dirty.slice(0, room).flatMap((slot) => replace(service, slot, config, decision));
  return { tasks: [...retired, ...taken] };
}

/** The slot's new task, and with stop-first the old ones told to stop. */
function replace(service: Service, slot: Slot, config: UpdateConfig, decision: Decision): Task[] {
  const fresh = newTask(decision.newId(), service, slot.number, decision.now);
  if (config.order === "start-first") return [fresh];
  const old = slot.wanted.map((task) => ({ ...task, desiredState: "shutdown" as const }));
  const last = slot.wanted.find((task) => !isTerminal(task));
  return [...old, { ...fresh, desiredState: "ready", ...(last && { after: last.id }) }];
}

/** The service paused (or rolled back) when too many updated tasks ended early; undefined to go on. */
function halt(service: Service, slots: readonly Slot[], now: Instant): Service | undefined {
  const config = configOf(service);
  const status = service.updateStatus;
  if (config.failureAction === "continue" || status === undefined) return undefined;
  const failures = slots.flatMap((slot) =>
    slot.tasks.filter((task) => failedEarly(service, task, status, config)),
  );
  const [first] = failures;
  if (first === undefined || failures.length / slots.length <= config.maxFailureRatio) return undefined;
  const because = `due to failure or early termination of task ${first.id}`;
  if (status.state === "rollback_started") {
    return {
      ...service,
      updateStatus: { ...status, state: "rollback_paused", message: `rollback paused ${because}` },
    };
  }
  if (config.failureAction === "rollback" && service.previousSpec !== undefined) {
    const { previousSpec, ...rest } = service;
    const message = `update rolled back ${because}`;
    return {
      ...rest,
      spec: previousSpec,
      specVersion: service.version + 1,
      updateStatus: { state: "rollback_started", startedAt: now, message },
    };
  }
  return { ...service, updateStatus: { ...status, state: "paused", message: `update paused ${because}` } };
}

/** True for a task of the new words that ended before it ran, or within the monitor time of its birth. */
function failedEarly(service: Service, task: Task, status: UpdateStatus, config: UpdateConfig): boolean {
  if (task.specVersion !== service.specVersion || task.createdAt < status.startedAt) return false;
  const broken = task.status.state === "failed" || task.status.state === "rejected";
  return broken && task.status.at - task.createdAt <= config.monitorMs;
}

/** No slot is dirty: an update in progress is completed once every new task has run for the monitor time. */
function finish(
  service: Service,
  slots: readonly Slot[],
  retired: readonly Task[],
  now: Instant,
): UpdateStep {
  const status = service.updateStatus;
  if (status === undefined || !ACTIVE.has(status.state)) return { tasks: retired };
  const failed = halt(service, slots, now);
  if (failed !== undefined) return { tasks: retired, service: failed };
  const fresh = slots.flatMap((slot) => slot.wanted).filter((task) => task.createdAt >= status.startedAt);
  if (fresh.some((task) => stateRank(task.status.state) < stateRank("running"))) return { tasks: retired };
  const until =
    Math.max(status.startedAt, ...fresh.map((task) => task.status.at)) + configOf(service).monitorMs;
  if (now < until) return { tasks: retired, again: until };
  const rolled = status.state === "rollback_started";
  const done: UpdateStatus = {
    ...status,
    state: rolled ? "rollback_completed" : "completed",
    completedAt: now,
    message: rolled ? "rollback completed" : "update completed",
  };
  return { tasks: retired, service: { ...service, updateStatus: done } };
}
