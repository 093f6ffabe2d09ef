import { type Clock, Fault, type Log, messageOf, newId, type Random, sleep } from "../lib/index.ts";
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

/**
 * The leader's loop: plan for what moved, apply, wait until the view moves again or a delay runs out; for ever.
 * All its memory is the store (the work list is made anew at the start), so any manager can take over between two plans.
 * Plans are small: between two of them everybody else gets a turn.
 */
export async function runLeader(parts: LeaderParts, signal: AbortSignal): Promise<void> {
  const { store, clock, random, log, plan: decide = planScope } = parts;
  const work = new Worklist();
  const unsubscribe = store.subscribe((changes) => work.note(store.view, changes));
  work.begin(store.view);
  try {
    while (!signal.aborted) {
      const seen = store.version;
      const now = clock.now();
      const scope = work.take(store.view, now);
      if (scope === undefined) {
        const { next } = work;
        await store.waitForChange(seen, signal, next === undefined ? undefined : Math.max(0, next - now));
        continue;
      }
      const plan = decide(store.view, scope, { now, newId: () => newId(random) });
      if (plan.changes.length > 0) log.debug("plan", { changes: plan.changes.length, because: plan.because });
      if (await apply(parts, plan, seen, signal)) work.settle(plan);
      else work.add(scope);
    }
  } finally {
    unsubscribe();
  }
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
    return false;
  }
}
