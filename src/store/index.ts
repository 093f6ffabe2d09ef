/**
 * store: the cluster's objects: a view in memory with finders, fed by one watch, and the one way to write.
 * It knows no etcd; a Backend is handed in.
 */
export type { Backend, Commit, Entry, Write } from "./backend.ts";
export { MemoryBackend } from "./memory-backend.fake.ts";
export { openSeal, type Seal } from "./seal.ts";
export { applyPlan, Store, type StoreParts } from "./store.ts";
export { LiveView, type ObjectChange, type View, viewOf, withChanges } from "./view.ts";
