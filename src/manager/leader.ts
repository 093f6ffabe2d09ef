import {
  type Clock,
  Fault,
  type Instant,
  type Log,
  messageOf,
  newId,
  type Random,
  sleep,
} from "../lib/index.ts";
import type { Scope } from "../model/index.ts";
import { applyPlan, type Store } from "../store/index.ts";
import { planScope, type ScopedPlan } from "./planner.ts";
import { Worklist } from "./worklist.ts";

/** What the leader's loop needs. */
export interface LeaderParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The deciders, when others than the real ones are to be seen at work. */
  readonly plan?: typeof planScope;
}

/** Pause after a plan that could not be applied, so that a broken store is not hammered. */
const RETRY_MS = 200;
/** A service that cannot be planned for is tried again after this. */
const PARK_MS = 60_000;

/**
 * The leader's loop: plan for what moved, apply, wait until the view moves again or a delay runs out; for ever.
 * All its memory is the store (the work list is made anew at the start), so any manager can take over between two plans.
 * A new leader first catches up with what the one before it wrote: its plans make tasks, which no version guards.
 * Plans are small: between two of them everybody else gets a turn.
 */
export async function runLeader(parts: LeaderParts, signal: AbortSignal): Promise<void> {
  const { store, clock } = parts;
  const work = new Worklist();
  await catchUp(parts, signal);
  const unsubscribe = store.subscribe((changes) => work.note(store.view, changes));
  work.begin(store.view);
  /** Parts of a scope that could not be planned for as a whole. */
  const parted: Scope[] = [];
  try {
    while (!signal.aborted) {
      const seen = store.version;
      const now = clock.now();
      const scope = parted.shift() ?? work.take(store.view, now);
      if (scope === undefined) {
        const { next } = work;
        await store.waitForChange(seen, signal, next === undefined ? undefined : Math.max(0, next - now));
        continue;
      }
      const plan = attempt(parts, scope, now);
      if (plan === undefined) parted.push(...isolate(work, scope, now));
      else if (await apply(parts, plan, seen, signal)) work.settle(plan);
      else work.add(scope);
    }
  } finally {
    unsubscribe();
  }
}

/** The plan; undefined when a decider failed, which is a mistake of ours. */
function attempt(parts: LeaderParts, scope: Scope, now: Instant): ScopedPlan | undefined {
  const { store, random, log, plan: decide = planScope } = parts;
  try {
    const plan = decide(store.view, scope, { now, newId: () => newId(random) });
    if (plan.changes.length > 0) log.debug("plan", { changes: plan.changes.length, because: plan.because });
    return plan;
  } catch (error) {
    const services = [...scope.services].join(" ");
    log.error("cannot plan", { services, nodes: scope.nodes.size, error: messageOf(error) });
    return undefined;
  }
}

/** One service's trouble must not be everybody's: each is tried alone, and what still fails is left alone for a while. */
function isolate(work: Worklist, { services, nodes }: Scope, now: Instant): Scope[] {
  const [one] = services;
  if (one !== undefined && services.size + nodes.size === 1) {
    work.park(one, now + PARK_MS);
    return [];
  }
  const alone = [...services].map((id) => ({ services: new Set([id]), nodes: new Set<string>() }));
  if (alone.length > 0)
    return [...alone, ...(nodes.size > 0 ? [{ services: new Set<string>(), nodes }] : [])];
  throw new Fault("internal", "cannot plan for the nodes: the log says why");
}

/** True when the plan is written. */
async function apply(
  { store, clock, log }: LeaderParts,
  plan: ScopedPlan,
  seen: number,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (plan.changes.length === 0) await sleep(clock, 0, signal);
    else await applyPlan(store, plan);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    if (Fault.is(error, "conflict")) {
      // Somebody wrote meanwhile: the next plan starts from what is true now, once the view knows it.
      await store.waitForChange(seen, signal, RETRY_MS);
      return false;
    }
    log.warn("plan not applied", { error: messageOf(error) });
    await sleep(clock, RETRY_MS, signal).catch(() => undefined);
    // It may be written all the same: planned again without knowing that, its tasks would be there twice.
    await catchUp({ store, clock, log }, signal);
    return false;
  }
}

/** Waits until the view has all that is stored, however long the store is away; or until the signal aborts. */
async function catchUp(
  { store, clock, log }: Pick<LeaderParts, "store" | "clock" | "log">,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await store.catchUp();
      return;
    } catch (error) {
      log.warn("the store's state is not known", { error: messageOf(error) });
      await sleep(clock, RETRY_MS, signal).catch(() => undefined);
    }
  }
}
