import type { Instant } from "../lib/index.ts";
import { type Decision, isTerminal, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { mayRestart } from "./backoff.ts";
import { isDirty } from "./dirty.ts";
import { completed, judge } from "./judge.ts";
import { isHalted, isUpdating, rulesOf } from "./rules.ts";
import { freshTask, isRunning, type Slot } from "./slots.ts";
import { trialOf } from "./trial.ts";

/** A service's slots as the update finds them. */
export interface Ground {
  readonly view: View;
  readonly service: Service;
  readonly slots: readonly Slot[];
  /** Slots where a lost task is being replaced, with the newest words. */
  readonly mended: ReadonlySet<Slot>;
}

/** What a rolling update does next: tasks to write, the service's new status, when to look again. */
export interface UpdateStep {
  readonly tasks: readonly Task[];
  readonly service?: Service;
  readonly again?: Instant;
}

/**
 * One step of the rolling update (swarm-map 3.6, swarmkit update/updater.go). Slots are taken `parallelism` at a time;
 * a slot is in flight until its new task has come to run (or ended, or ran out of time), and for `delay` from then.
 */
export function stepUpdate(ground: Ground, decision: Decision): UpdateStep {
  const { view, service, slots, mended } = ground;
  const retired = slots.filter((slot) => !mended.has(slot)).flatMap((slot) => retire(view, service, slot));
  if (isHalted(service)) return { tasks: retired };
  const dirty = slots.filter((slot) => isDirtySlot(view, service, slot) && !isSpent(service, slot));
  if (dirty.length === 0 && !isUpdating(service)) return { tasks: retired };
  const under = isUpdating(service) ? service : begun(service, decision.now);
  if (under.specVersion !== service.specVersion) return { tasks: retired, service: under };
  const { tasks, ...rest } = move({ ...ground, service: under }, dirty, decision);
  return { ...(under !== service && { service: under }), ...rest, tasks: [...retired, ...tasks] };
}

/**
 * The service with its update begun. One that follows another without a word of the user (a node no longer meets the
 * constraints that its task was left alone for) is not judged by the tasks of that one.
 */
function begun(service: Service, now: Instant): Service {
  const updateStatus = { state: "updating", startedAt: now, message: "update in progress" } as const;
  const again = service.updateStatus !== undefined;
  return { ...service, updateStatus, ...(again && { specVersion: service.version + 1 }) };
}

/** An update under way: halted, moved on, or at its end. */
function move(ground: Ground, dirty: readonly Slot[], decision: Decision): UpdateStep {
  const { service, slots } = ground;
  const { now } = decision;
  const rules = rulesOf(service);
  const tried = slots.flatMap((slot) => {
    const trial = trialOf(service, slot, rules, now);
    return trial === undefined ? [] : [{ slot, trial }];
  });
  const trials = tried.map(({ trial }) => trial);
  const concerned = new Set([...dirty, ...tried.map(({ slot }) => slot)]);
  const halted = judge(service, trials, concerned.size, now);
  if (halted !== undefined) return { tasks: [], service: halted };
  if (dirty.length === 0 && trials.every((trial) => trial.until <= now)) {
    return { tasks: [], service: completed(service, trials, now) };
  }
  const frees = trials.map(({ landedAt }) => (landedAt ?? Number.POSITIVE_INFINITY) + rules.delayMs);
  const inFlight = frees.filter((at) => at > now);
  const again = Math.min(...inFlight, ...trials.map((trial) => trial.until).filter((at) => at > now));
  const tasks = advance(ground, dirty, inFlight.length, decision);
  return { tasks, ...(Number.isFinite(again) && { again }) };
}

/** Takes as many dirty slots as the rules allow now. Slots where nothing runs come first: they have nothing to lose. */
function advance(
  { service, mended }: Ground,
  dirty: readonly Slot[],
  inFlight: number,
  decision: Decision,
): Task[] {
  const { parallelism } = rulesOf(service);
  const open = dirty.filter((slot) => !mended.has(slot)).sort((a, b) => Number(runs(a)) - Number(runs(b)));
  const room = parallelism === 0 ? open.length : Math.max(0, parallelism - inFlight);
  return open.slice(0, room).flatMap((slot) => replace(service, slot, decision));
}

function runs(slot: Slot): boolean {
  return slot.wanted.some(isRunning);
}

/** The slot runs old words only; or ended with them for good. */
function isDirtySlot(view: View, service: Service, { wanted, tasks }: Slot): boolean {
  const current = wanted.length > 0 ? wanted : tasks.slice(0, 1);
  return current.length > 0 && current.every((task) => isDirty(view, service, task));
}

/**
 * This version of the service was tried in the slot and ended for good (start-first: the old task still runs there). What
 * ended under an earlier version says nothing, the same words or not: the user asks for them again.
 */
function isSpent({ specVersion }: Service, slot: Slot): boolean {
  const tried = slot.tasks.find((task) => task.specVersion === specVersion);
  return tried !== undefined && isTerminal(tried) && !mayRestart(tried);
}

/**
 * Tasks beside one of the newest words, told to stop: all others once it runs; before that (start-first) those that do not
 * run themselves.
 */
function retire(view: View, service: Service, slot: Slot): Task[] {
  const clean = slot.wanted.filter((task) => !isTerminal(task) && !isDirty(view, service, task));
  const runner = clean.find(isRunning);
  const stays = (task: Task) =>
    runner === undefined ? clean.includes(task) || isRunning(task) : task === runner;
  return clean.length === 0 ? [] : slot.wanted.filter((task) => !stays(task)).map(stopped);
}

/** The slot's new task, and the old ones told to stop: with start-first not yet those that run. */
function replace(service: Service, slot: Slot, decision: Decision): Task[] {
  const old = slot.wanted[0] ?? slot.tasks[0];
  const fresh = { ...freshTask(service, slot, decision), ...(old !== undefined && { replaces: old.id }) };
  const runners = slot.wanted.filter(isRunning);
  if (rulesOf(service).order === "start-first" && runners.length > 0) {
    return [...slot.wanted.filter((task) => !runners.includes(task)).map(stopped), fresh];
  }
  const last = runners[0] ?? slot.wanted.find((task) => !isTerminal(task));
  return [...slot.wanted.map(stopped), { ...fresh, desiredState: "ready", ...(last && { after: last.id }) }];
}

function stopped(task: Task): Task {
  return { ...task, desiredState: "shutdown" };
}
