import { type Clock, deepFreeze, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import { type Change, KINDS, type Kind, type Kinds, type Plan } from "../model/index.ts";
import type { Backend, Commit, Entry, Write } from "./backend.ts";
import type { Seal } from "./seal.ts";
import { LiveView, type ObjectChange, type View } from "./view.ts";

export interface StoreParts {
  readonly backend: Backend;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly log: Log;
}

const PREFIX = "/shoal/";
const RETRIES = 20;
const RELIST_MS = 500;
/** A write whose effect has not come back through the watch after this long is reported as unknown. */
const READ_BACK_MS = 10_000;

/**
 * The cluster's objects. Reads come from a view in memory that one watch feeds; writes are transactions guarded by
 * version, and a write returns only once the view has it, so that whoever wrote reads his own words.
 */
export class Store {
  readonly #parts: StoreParts;
  readonly #view = new LiveView();
  readonly #listeners = new Set<(changes: readonly ObjectChange[]) => void>();
  readonly #waiters = new Set<() => void>();
  #version = 0;

  private constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** A store whose view holds everything there is; `run` then keeps it so. */
  static async open(parts: StoreParts): Promise<Store> {
    const store = new Store(parts);
    await store.#list();
    return store;
  }

  get view(): View {
    return this.#view;
  }

  /** The version that the view is true at. */
  get version(): number {
    return this.#version;
  }

  /** Follows the backend until the signal aborts. Lost history is made good by listing again. */
  async run(signal: AbortSignal): Promise<void> {
    const { backend, log, clock } = this.#parts;
    while (!signal.aborted) {
      try {
        for await (const commit of backend.watch(PREFIX, this.#version, signal)) this.#take(commit);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("watch broke, listing again", { error: messageOf(error) });
        await sleep(clock, RELIST_MS, signal).catch(() => undefined);
        await this.#list().catch((again: unknown) => log.warn("listing failed", { error: messageOf(again) }));
      }
    }
  }

  /** Calls `fn` after each commit, once the view has it. Returns how to stop. */
  subscribe(fn: (changes: readonly ObjectChange[]) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Resolves when the view is newer than `since`, or after `wakeMs`, or when the signal aborts. */
  async waitForChange(since: number, signal: AbortSignal, wakeMs?: number): Promise<void> {
    if (this.#version > since || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiters.delete(done);
        signal.removeEventListener("abort", done);
        timer?.cancel();
        resolve();
      };
      const timer = wakeMs === undefined ? undefined : this.#parts.clock.after(wakeMs, done);
      this.#waiters.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /**
   * Writes all changes or none; returns the commit's version once the view has it.
   * Fault "conflict" `update out of sequence` when an object has moved on.
   */
  async update(changes: readonly Change[]): Promise<number> {
    if (changes.length === 0) return this.#version;
    const writes = changes.map((change) => this.#writeOf(change));
    try {
      const version = await this.#parts.backend.commit(writes);
      await this.#reached(version);
      return version;
    } catch (error) {
      if (Fault.is(error, "conflict"))
        throw new Fault("conflict", "update out of sequence", { cause: error });
      throw error;
    }
  }

  /** Read, decide, write; again when somebody else wrote meanwhile. What `decide` throws is passed on. */
  async mutate(decide: (view: View) => readonly Change[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const seen = this.#version;
      const changes = decide(this.#view);
      try {
        await this.update(changes);
        return;
      } catch (error) {
        if (!Fault.is(error, "conflict") || attempt === RETRIES) throw error;
        // The view is behind what refused us: wait until it has moved.
        await this.waitForChange(seen, AbortSignal.timeout(1_000), 50);
      }
    }
  }

  #writeOf(change: Change): Write {
    if (change.op === "delete") {
      return { op: "delete", key: keyOf(change.kind, change.id), expected: change.version };
    }
    const { object, kind } = change;
    const key = keyOf(kind, object.id);
    const { version, ...rest } = { ...object, updatedAt: this.#parts.clock.now() };
    const plain = new TextEncoder().encode(JSON.stringify(rest));
    return { op: "put", key, value: this.#parts.seal.seal(key, plain), expected: version };
  }

  async #list(): Promise<void> {
    const { entries, version } = await this.#parts.backend.list(PREFIX);
    const listed = new Set(entries.map((entry) => entry.key));
    const puts = entries.filter((entry) => !this.#has(entry));
    const deletes = KINDS.flatMap((kind) => [...this.#view.all(kind)].map((o) => keyOf(kind, o.id))).filter(
      (k) => !listed.has(k),
    );
    this.#take({ version, puts, deletes });
  }

  #has({ key, version }: Entry): boolean {
    const { kind, id } = parseKey(key);
    return this.#view.get(kind, id)?.version === version;
  }

  #take(commit: Commit): void {
    const changes: ObjectChange[] = [];
    for (const entry of commit.puts) changes.push(this.#takePut(entry));
    for (const key of commit.deletes) {
      const { kind, id } = parseKey(key);
      const before = this.#view.delete(kind, id);
      if (before !== undefined) changes.push({ kind, before });
    }
    this.#version = Math.max(this.#version, commit.version);
    for (const listener of this.#listeners) listener(changes);
    for (const wake of [...this.#waiters]) wake();
  }

  #takePut({ key, value, version }: Entry): ObjectChange {
    const { kind, id } = parseKey(key);
    const text = new TextDecoder().decode(this.#parts.seal.open(key, value));
    const object = deepFreeze({ ...JSON.parse(text), version }) as Kinds[Kind];
    const before = this.#view.put(kind, object as never);
    if (object.id !== id) this.#parts.log.error("object under a foreign key", { key, object: object.id });
    return { kind, after: object, ...(before && { before }) };
  }

  async #reached(version: number): Promise<void> {
    const deadline = this.#parts.clock.now() + READ_BACK_MS;
    const never = new AbortController().signal;
    while (this.#version < version) {
      const left = deadline - this.#parts.clock.now();
      if (left <= 0)
        throw new Fault("timeout", "the write is stored, but this manager has not seen it come back");
      await this.waitForChange(this.#version, never, left);
    }
  }
}

function keyOf(kind: Kind, id: string): string {
  return `${PREFIX}${kind}/${id}`;
}

function parseKey(key: string): { kind: Kind; id: string } {
  const [kind = "", id = ""] = key.slice(PREFIX.length).split("/");
  return { kind: kind as Kind, id };
}

/** Writes a plan in order, `perCommit` changes to a transaction; a planner makes good what a broken-off one left. */
export async function applyPlan(store: Store, plan: Plan, perCommit = 500): Promise<void> {
  for (let i = 0; i < plan.changes.length; i += perCommit) {
    await store.update(plan.changes.slice(i, i + perCommit));
  }
}
