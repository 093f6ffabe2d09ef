/**
 * store: the cluster's objects: a view in memory with finders, fed by one watch, and the one way to write.
 * It knows no etcd; a Backend is handed in.
 */
export { applyPlan, firstSlice } from "./apply-plan.ts";
export type { Backend, Commit, Entry, Write } from "./backend.ts";
export { Draft, withChanges } from "./draft.ts";
export { LiveView, viewOf } from "./live-view.ts";
export { MemoryBackend } from "./memory-backend.fake.ts";
export { everythingOf } from "./scope.ts";
export { openSeal, type Seal } from "./seal.ts";
export { Store } from "./store.ts";
export { tallyOf } from "./tally.ts";
export type { Derived, ObjectChange, View } from "./view.ts";
