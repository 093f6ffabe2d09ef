import { type Clock, Fault, type Log, messageOf, newId, type Random, sleep } from "../lib/index.ts";
import type { Plan } from "../model/index.ts";
import { applyPlan, type Store } from "../store/index.ts";
import { planCluster } from "./planner.ts";

/** What the leader's loop needs. */
export interface LeaderParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Pause after a plan that could not be applied, so that a broken store is not hammered. */
const RETRY_MS = 200;

/**
 * The leader's loop: plan from the view, apply, wait until the view moves or a delay runs out; for ever.
 * All its memory is the store, so any manager can take over between two ticks.
 */
export async function runLeader(parts: LeaderParts, signal: AbortSignal): Promise<void> {
  const { store, clock, random, log } = parts;
  while (!signal.aborted) {
    const seen = store.version;
    const plan = planCluster(store.view, { now: clock.now(), newId: () => newId(random) });
    if (plan.changes.length > 0) {
      log.debug("plan", { changes: plan.changes.length, because: plan.because });
      await apply(parts, plan, seen, signal);
      continue;
    }
    const wake = plan.again === undefined ? undefined : Math.max(0, plan.again - clock.now());
    await store.waitForChange(seen, signal, wake);
  }
}

async function apply(
  { store, clock, log }: LeaderParts,
  plan: Plan,
  seen: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await applyPlan(store, plan);
  } catch (error) {
    if (Fault.is(error, "conflict")) {
      // Somebody wrote meanwhile: the next plan starts from what is true now, once the view knows it.
      await store.waitForChange(seen, signal, RETRY_MS);
      return;
    }
    log.warn("plan not applied", { error: messageOf(error) });
    await sleep(clock, RETRY_MS, signal).catch(() => undefined);
  }
}
