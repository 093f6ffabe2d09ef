import { Fault, Queue } from "../lib/index.ts";
import type { Backend, Commit, Entry, Write } from "./backend.ts";

/** A backend in memory that behaves like etcd: ordered versions, guards, a watch with history, compaction. */
export class MemoryBackend implements Backend {
  #version = 1;
  #compacted = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #history: Commit[] = [];
  readonly #watchers = new Set<Queue<Commit>>();

  async list(prefix: string): Promise<{ entries: Entry[]; version: number }> {
    return {
      entries: [...this.#entries.values()].filter((e) => e.key.startsWith(prefix)),
      version: this.#version,
    };
  }

  async commit(writes: readonly Write[]): Promise<number> {
    for (const { key, expected } of writes) {
      const have = this.#entries.get(key)?.version ?? 0;
      if (have !== expected)
        throw new Fault("conflict", `cannot commit: ${key} is at ${have}, not ${expected}`);
    }
    const version = ++this.#version;
    const puts = writes.flatMap((w) => (w.op === "put" ? [{ key: w.key, value: w.value, version }] : []));
    const deletes = writes.flatMap((w) => (w.op === "delete" ? [w.key] : []));
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
    this.#history.length = 0;
  }

  async *watch(prefix: string, version: number, signal: AbortSignal): AsyncGenerator<Commit> {
    if (version < this.#compacted)
      throw new Fault("conflict", `cannot watch from ${version}: history is compacted`);
    const queue = new Queue<Commit>();
    for (const commit of this.#history) if (commit.version > version) queue.push(commit);
    this.#watchers.add(queue);
    const stop = () => queue.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const commit of queue) yield restrict(commit, prefix);
    } finally {
      this.#watchers.delete(queue);
      signal.removeEventListener("abort", stop);
    }
  }
}

function restrict(commit: Commit, prefix: string): Commit {
  return {
    version: commit.version,
    puts: commit.puts.filter((entry) => entry.key.startsWith(prefix)),
    deletes: commit.deletes.filter((key) => key.startsWith(prefix)),
  };
}
