import { type Clock, Fault, Queue, sleep } from "../lib/index.ts";
import type { Backend, Commit, Entry, Write } from "./backend.ts";

export interface MemoryBackendOptions {
  readonly clock: Clock;
  /** How long a commit takes to be decided, and again how long to reach a watcher. */
  readonly latencyMs: number;
}

/** A backend in memory that behaves like etcd: ordered versions, guards, a watch with history, compaction. */
export class MemoryBackend implements Backend {
  readonly #options: MemoryBackendOptions | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Set<Queue<Commit>>();
  #history: Commit[] = [];
  #version = 1;
  #compacted = 0;

  constructor(options?: MemoryBackendOptions) {
    this.#options = options;
  }

  async list(prefix: string): Promise<{ entries: Entry[]; version: number }> {
    const entries = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), version: this.#version };
  }

  async commit(writes: readonly Write[]): Promise<number> {
    await this.#delay();
    this.#check(writes);
    const version = ++this.#version;
    const puts = writes.flatMap((w) => (w.op === "put" ? [{ key: w.key, value: w.value, version }] : []));
    const deletes = writes.flatMap((w) => (w.op === "delete" && this.#entries.has(w.key) ? [w.key] : []));
    for (const entry of puts) this.#entries.set(entry.key, entry);
    for (const key of deletes) this.#entries.delete(key);
    const commit: Commit = { version, puts, deletes };
    this.#history.push(commit);
    for (const watcher of this.#watchers) watcher.push(commit);
    return version;
  }

  /** Forgets history up to now, as etcd's compaction does. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history = [];
  }

  async *watch(prefix: string, version: number, signal: AbortSignal): AsyncGenerator<Commit> {
    if (signal.aborted) return;
    if (version < this.#compacted) {
      throw new Fault("conflict", `cannot watch from version ${version}: history is compacted`);
    }
    const queue = new Queue<Commit>();
    for (const commit of this.#history) if (commit.version > version) queue.push(commit);
    this.#watchers.add(queue);
    const stop = () => queue.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const commit of queue) {
        await this.#delay();
        const seen = restrict(commit, prefix);
        if (signal.aborted) return;
        if (seen.puts.length + seen.deletes.length > 0) yield seen;
      }
    } finally {
      this.#watchers.delete(queue);
      signal.removeEventListener("abort", stop);
    }
  }

  #check(writes: readonly Write[]): void {
    if (new Set(writes.map((write) => write.key)).size < writes.length) {
      throw new Fault("invalid", "cannot commit: duplicate key given in txn request");
    }
    for (const { key, expected } of writes) {
      const have = this.#entries.get(key)?.version ?? 0;
      if (have !== expected) {
        throw new Fault("conflict", `cannot commit: ${key} is at ${have}, not ${expected}`);
      }
    }
  }

  async #delay(): Promise<void> {
    if (this.#options !== undefined) await sleep(this.#options.clock, this.#options.latencyMs);
  }
}

function restrict(commit: Commit, prefix: string): Commit {
  return {
    version: commit.version,
    puts: commit.puts.filter((entry) => entry.key.startsWith(prefix)),
    deletes: commit.deletes.filter((key) => key.startsWith(prefix)),
  };
}
