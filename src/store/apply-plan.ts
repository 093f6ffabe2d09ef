import type { Change, Plan } from "../model/index.ts";
import type { Store } from "./store.ts";

/** What goes into one transaction; etcd is told to take more than either (etcd/etcd-arguments.ts). */
const MAX_CHANGES = 500;
const MAX_BYTES = 8 * 2 ** 20;

/** Writes a plan in order, in as few transactions as may be; a planner makes good what a broken-off one left. */
export async function applyPlan(store: Store, plan: Plan, perCommit: number = MAX_CHANGES): Promise<void> {
  for (let rest = plan.changes; rest.length > 0; ) {
    const slice = firstSlice(rest, perCommit);
    await store.update(slice);
    rest = rest.slice(slice.length);
  }
}

/** The first changes, as many as one transaction takes: one at least, since nobody can make a change smaller. */
export function firstSlice(changes: readonly Change[], most: number = MAX_CHANGES): readonly Change[] {
  let bytes = 0;
  let count = 0;
  for (const change of changes.slice(0, most)) {
    bytes += change.op === "put" ? JSON.stringify(change.object).length : 0;
    if (count > 0 && bytes > MAX_BYTES) break;
    count += 1;
  }
  return changes.slice(0, count);
}
