import type { Plan } from "../model/index.ts";
import type { Store } from "./store.ts";

/** Writes a plan in order, `perCommit` changes to a transaction; a planner makes good what a broken-off one left. */
export async function applyPlan(store: Store, plan: Plan, perCommit = 500): Promise<void> {
  for (let i = 0; i < plan.changes.length; i += perCommit) {
    await store.update(plan.changes.slice(i, i + perCommit));
  }
}
