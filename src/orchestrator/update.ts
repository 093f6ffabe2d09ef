import type { Instant } from "../lib/index.ts";
import {
  DEFAULT_UPDATE,
  type Decision,
  isTerminal,
  type Service,
  type Task,
  type UpdateConfig,
  type UpdateStatus,
} from "../model/index.ts";
import { isDirty } from "./dirty.ts";
import { judge } from "./judge.ts";
import { freshTask, hasLanded, isRunning, type Slot } from "./slots.ts";

/** A service's slots as the update finds them. */
export interface Ground {
  readonly service: Service;
  readonly slots: readonly Slot[];
  /** Slots with a lost task: they are being mended, with the newest words. */
  readonly lost: ReadonlySet<Slot>;
  /** Slots where the newest words ended for good: the update has nothing more to try there. */
  readonly spent: ReadonlySet<Slot>;
}

/** What a rolling update does next: tasks to write, the service's new status, when to look again. */
export interface UpdateStep {
  readonly tasks: readonly Task[];
  readonly service?: Service;
  readonly again?: Instant;
}

const HALTED: ReadonlySet<UpdateStatus["state"]> = new Set(["paused", "rollback_paused"]);
const ACTIVE: ReadonlySet<UpdateStatus["state"]> = new Set(["updating", "rollback_started"]);

/**
 * One step of the rolling update (swarm-map 3.6, swarmkit update/updater.go). Slots are taken `parallelism` at a time;
 * a slot is in flight until its new task has come to run (or ended), and for `delay` from then.
 */
export function stepUpdate(ground: Ground, decision: Decision): UpdateStep {
  const { service, slots, lost, spent } = ground;
  const status = service.updateStatus;
  const retired = slots.filter((slot) => !lost.has(slot)).flatMap((slot) => retire(service, slot));
  if (status !== undefined && HALTED.has(status.state)) return { tasks: retired };
  const dirty = slots.filter((slot) => isDirtySlot(service, slot) && !spent.has(slot));
  if (status === undefined || !ACTIVE.has(status.state)) {
    if (dirty.length === 0) return { tasks: retired };
    return begin(ground, dirty, retired, decision);
  }
  const fresh = slots.filter((slot) => freshTasks(service, slot, status).length > 0);
  const halted = judge(service, [...new Set([...dirty, ...fresh])], decision.now);
  if (halted !== undefined) return { tasks: retired, service: halted };
  if (dirty.length > 0) return advance(ground, dirty, retired, decision);
  return finish(service, slots, status, retired, decision.now);
}

function configOf(service: Service): UpdateConfig {
  return service.spec.update ?? DEFAULT_UPDATE;
}

function isDirtySlot(service: Service, { wanted }: Slot): boolean {
  return wanted.length > 0 && wanted.every((task) => isDirty(service, task));
}

/** Old tasks of a slot whose clean one runs already (start-first), told to stop. */
function retire(service: Service, slot: Slot): Task[] {
  const clean = slot.wanted.find((task) => !isDirty(service, task) && isRunning(task));
  if (clean === undefined) return [];
  return slot.wanted
    .filter((task) => task !== clean)
    .map((task) => ({ ...task, desiredState: "shutdown" as const }));
}

function begin(
  ground: Ground,
  dirty: readonly Slot[],
  retired: readonly Task[],
  decision: Decision,
): UpdateStep {
  const updateStatus = {
    state: "updating",
    startedAt: decision.now,
    message: "update in progress",
  } as const;
  const service = { ...ground.service, updateStatus };
  return { ...advance({ ...ground, service }, dirty, retired, decision), service };
}

/** Takes as many dirty slots as the config allows now. */
function advance(
  { service, slots, lost }: Ground,
  dirty: readonly Slot[],
  retired: readonly Task[],
  decision: Decision,
): UpdateStep {
  const config = configOf(service);
  const open = dirty.filter((slot) => !lost.has(slot));
  const frees = slots.flatMap((slot) => freeAt(service, slot, config) ?? []);
  const inFlight = frees.filter((at) => at > decision.now);
  const room = config.parallelism === 0 ? open.length : Math.max(0, config.parallelism - inFlight.length);
  const taken = open.slice(0, room).flatMap((slot) => replace(service, slot, config, decision));
  const next = Math.min(...inFlight);
  return {
    tasks: [...retired, ...taken],
    ...(open.length > room && Number.isFinite(next) && { again: next }),
  };
}

/** When a slot that this update has touched makes room for the next; Infinity: not known yet; undefined: not touched. */
function freeAt(service: Service, slot: Slot, config: UpdateConfig): Instant | undefined {
  const status = service.updateStatus;
  if (status === undefined || freshTasks(service, slot, status).length === 0) return undefined;
  return landedAt(service, slot, status) + config.delayMs;
}

/** The slot's tasks of the new words, made by this update. */
function freshTasks(service: Service, slot: Slot, { startedAt }: UpdateStatus): Task[] {
  return slot.tasks.filter((task) => task.createdAt >= startedAt && !isDirty(service, task));
}

/** When the first of the slot's new tasks came to run, or ended without; Infinity while none has. */
function landedAt(service: Service, slot: Slot, status: UpdateStatus): Instant {
  const landed = freshTasks(service, slot, status).filter(hasLanded);
  return Math.min(...landed.map((task) => task.ranAt ?? task.endedAt ?? task.status.at));
}

/** The slot's new task, and with stop-first the old ones told to stop. */
function replace(service: Service, slot: Slot, config: UpdateConfig, decision: Decision): Task[] {
  const fresh = freshTask(service, slot, decision);
  if (config.order === "start-first") return [fresh];
  const old = slot.wanted.map((task) => ({ ...task, desiredState: "shutdown" as const }));
  const last = slot.wanted.find(isRunning) ?? slot.wanted.find((task) => !isTerminal(task));
  return [...old, { ...fresh, desiredState: "ready", ...(last && { after: last.id }) }];
}

/** No slot is dirty: the update is completed once every new task has been watched for the monitor time. */
function finish(
  service: Service,
  slots: readonly Slot[],
  status: UpdateStatus,
  retired: readonly Task[],
  now: Instant,
): UpdateStep {
  const { delayMs, monitorMs } = configOf(service);
  const watch = delayMs >= monitorMs ? delayMs + 1_000 : monitorMs;
  const fresh = slots.filter((slot) => freshTasks(service, slot, status).length > 0);
  const until = Math.max(0, ...fresh.map((slot) => landedAt(service, slot, status))) + watch;
  if (fresh.length > 0 && now < until) {
    return { tasks: retired, ...(Number.isFinite(until) && { again: until }) };
  }
  const rolled = status.state === "rollback_started";
  const done: UpdateStatus = {
    ...status,
    state: rolled ? "rollback_completed" : "completed",
    completedAt: now,
    message: rolled ? "rollback completed" : "update completed",
  };
  return { tasks: retired, service: { ...service, updateStatus: done } };
}
