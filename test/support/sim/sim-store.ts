import { type Clock, Fault, sleep } from "../../../src/lib/index.ts";
import {
  type Backend,
  type Commit,
  type Entry,
  MemoryBackend,
  type Write,
} from "../../../src/store/index.ts";
import type { Chance } from "./chance.ts";

/** What the store does to the writes of one planted mutant; the real one leaves them alone. */
export type WriteFilter = (writes: readonly Write[], versionOf: (key: string) => number) => readonly Write[];

/** etcd of the simulated cluster: one history that all managers share. */
export class SharedStore {
  readonly backend: MemoryBackend = new MemoryBackend();
  readonly #versions = new Map<string, number>();
  readonly #filter: WriteFilter;

  constructor(filter: WriteFilter = (writes) => writes) {
    this.#filter = filter;
  }

  async commit(writes: readonly Write[]): Promise<number> {
    const version = await this.backend.commit(this.#filter(writes, (key) => this.#versions.get(key) ?? 0));
    for (const { op, key } of writes) {
      if (op === "put") this.#versions.set(key, version);
      else this.#versions.delete(key);
    }
    return version;
  }

  /** Writes an object as it is: whoever has read it meets a conflict. False when there is none. */
  async touch(key: string): Promise<boolean> {
    const { entries } = await this.backend.list(key);
    const entry = entries.find((each) => each.key === key);
    if (entry === undefined) return false;
    await this.commit([{ op: "put", key, value: entry.value, expected: entry.version }]);
    return true;
  }
}

/** What can be wrong between a manager and the store. */
export interface StoreTrouble {
  /** Nothing gets through. */
  isAway: boolean;
  /** So many of the next commits meet somebody else's write. */
  conflicts: number;
  /** So many of the next commits are done, but nobody hears of it. */
  lostAnswers: number;
}

/** How long etcd may take before a call is given up. */
const CALL_MS = 2_000;
const AWAY_LOOK_MS = 100;

/** One manager's way to the store: it takes time, and may be in trouble. */
export class ManagerBackend implements Backend {
  readonly trouble: StoreTrouble = { isAway: false, conflicts: 0, lostAnswers: 0 };
  readonly #shared: SharedStore;
  readonly #clock: Clock;
  readonly #delay: () => number;
  readonly #gone = new AbortController();

  constructor(shared: SharedStore, clock: Clock, delay: () => number) {
    this.#shared = shared;
    this.#clock = clock;
    this.#delay = delay;
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly version: number }> {
    await sleep(this.#clock, this.#delay());
    if (this.trouble.isAway) await this.#giveUp("list");
    return this.#shared.backend.list(prefix);
  }

  async commit(writes: readonly Write[]): Promise<number> {
    await sleep(this.#clock, this.#delay());
    if (this.trouble.isAway) await this.#giveUp("commit");
    await this.#meet(writes);
    const version = await this.#shared.commit(writes);
    if (this.trouble.isAway || this.trouble.lostAnswers > 0) {
      this.trouble.lostAnswers = Math.max(0, this.trouble.lostAnswers - 1);
      await sleep(this.#clock, CALL_MS);
      throw new Fault("timeout", "cannot commit: etcd has not answered");
    }
    await sleep(this.#clock, this.#delay());
    return version;
  }

  async *watch(prefix: string, version: number, signal: AbortSignal): AsyncGenerator<Commit> {
    const over = AbortSignal.any([signal, this.#gone.signal]);
    for await (const commit of this.#shared.backend.watch(prefix, version, over)) {
      await sleep(this.#clock, this.#delay());
      while (this.trouble.isAway) await sleep(this.#clock, AWAY_LOOK_MS);
      if (signal.aborted) return;
      yield commit;
    }
  }

  /** The manager's process is dead: nobody follows any more. */
  close(): void {
    this.#gone.abort();
  }

  /** Somebody else writes an object of these first, when that is due. */
  async #meet(writes: readonly Write[]): Promise<void> {
    const target = writes.find((write) => write.op === "put" && write.expected > 0);
    if (this.trouble.conflicts === 0 || target === undefined) return;
    this.trouble.conflicts -= 1;
    await this.#shared.touch(target.key);
  }

  async #giveUp(what: string): Promise<never> {
    await sleep(this.#clock, CALL_MS);
    throw new Fault("unavailable", `cannot ${what}: etcd does not answer`);
  }
}

/** A store's delay by chance. */
export function delayOf(chance: Chance, least: number, spread: number): () => number {
  return () => (spread === 0 ? least : least + Math.round(chance.wait(spread)));
}
