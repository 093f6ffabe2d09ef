/** One stored value: opaque bytes and the version (etcd's mod revision) of its last write. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: number;
}

/** One write of a transaction, guarded by the version the key must have now (0: must not exist). */
export type Write =
  | { readonly op: "put"; readonly key: string; readonly value: Uint8Array; readonly expected: number }
  | { readonly op: "delete"; readonly key: string; readonly expected: number };

/** Everything one transaction changed, in commit order. */
export interface Commit {
  readonly version: number;
  readonly puts: readonly Entry[];
  readonly deletes: readonly string[];
}

/** A replicated, ordered key-value store: etcd, or the fake. */
export interface Backend {
  /** Every entry under the prefix, and the version the listing is true at. */
  list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly version: number }>;
  /** Commits all writes or none; returns the commit's version. Fault "conflict" when a guard fails. */
  commit(writes: readonly Write[]): Promise<number>;
  /**
   * Commits under the prefix after `version`, in order, until the signal aborts. Survives reconnects without gap.
   * Ends with a Fault "conflict" when history is compacted: list again.
   */
  watch(prefix: string, version: number, signal: AbortSignal): AsyncIterable<Commit>;
}
