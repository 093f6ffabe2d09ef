import type { Instant } from "../lib/index.ts";

/** What every stored object carries. Objects are frozen: replaced, never changed. */
export interface Meta {
  readonly id: string;
  /** Set by the store at commit and the guard of every write; 0 on an object that is not stored yet. */
  readonly version: number;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** A new object's Meta, before the store has given it a version. */
export function newMeta(id: string, now: Instant): Meta {
  return { id, version: 0, createdAt: now, updatedAt: now };
}
