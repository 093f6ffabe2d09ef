import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import {
  type Change,
  KINDS,
  type Kind,
  type Kinds,
  type News,
  newMeta,
  put,
  type SwarmEvent,
} from "../model/index.ts";
import type { Backend, Commit, Entry, Write } from "./backend.ts";
import { LiveView } from "./live-view.ts";
import { NewsClock } from "./news-clock.ts";
import { decodeObject, encodeObject, keyOf, PREFIX, parseKey } from "./object-codec.ts";
import type { Seal } from "./seal.ts";
import type { ObjectChange, View } from "./view.ts";

export interface StoreParts {
  readonly backend: Backend;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly log: Log;
  /** What a commit is told as; it is stored with the commit. Without it nothing is told. */
  readonly tell?: (changes: readonly ObjectChange[]) => readonly SwarmEvent[];
}

type Listener = (changes: readonly ObjectChange[]) => void;

const MUTATE_TRIES = 20;
/** A refused writer's view is behind; it looks again when the view has moved, or after this long. */
const MUTATE_WAIT_MS = 50;
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
  readonly #listeners = new Set<Listener>();
  readonly #waiters = new Set<{ readonly since: number; readonly done: () => void }>();
  readonly #newsClock = new NewsClock();
  #version = 0;
  #stopped = false;

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
    try {
      while (!signal.aborted) {
        try {
          for await (const commit of backend.watch(PREFIX, this.#version, signal)) this.#take(commit);
        } catch (error) {
          if (signal.aborted) return;
          log.warn("watch broke, listing again", { error: messageOf(error) });
          await this.#list().catch((again: unknown) =>
            log.warn("listing failed", { error: messageOf(again) }),
          );
        }
        // Also keeps a backend that fails at once from being hammered.
        await sleep(clock, RELIST_MS, signal).catch(() => undefined);
      }
    } finally {
      this.#stopped = true;
      this.#wake();
    }
  }

  /**
   * Resolves when the view holds all that was stored when this was called. Who is to make objects needs it where the view may be
   * behind: no guard tells that somebody has made others meanwhile. Faults "unavailable" and "timeout".
   */
  async catchUp(): Promise<void> {
    await this.#list();
  }

  /** Calls `fn` after each commit that changed an object, once the view has it, in order. Returns how to stop. */
  subscribe(fn: Listener): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Resolves when the view is newer than `since`, after `wakeMs`, when the signal aborts, or when `run` ends. */
  async waitForChange(since: number, signal?: AbortSignal, wakeMs?: number): Promise<void> {
    if (this.#version > since || this.#stopped || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", done);
        timer?.cancel();
        resolve();
      };
      const waiter = { since, done };
      const timer = wakeMs === undefined ? undefined : this.#parts.clock.after(wakeMs, done);
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  /**
   * Writes all changes or none, stamping `updatedAt`; returns the commit's version once the view has it.
   * Faults: "conflict" `update out of sequence` when an object has moved on, is gone, or is there already;
   * "unavailable" or "timeout" when the backend did not answer: the write may or may not have happened.
   */
  async update(changes: readonly Change[]): Promise<number> {
    if (changes.length === 0) return this.#version;
    const writes = [...changes, ...this.#newsOf(changes)].map((change) => this.#writeOf(change));
    const version = await this.#parts.backend.commit(writes).catch((error: unknown) => {
      if (!Fault.is(error, "conflict")) throw error;
      throw new Fault("conflict", "update out of sequence", { cause: error });
    });
    await this.#reached(version);
    return version;
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
        if (!Fault.is(error, "conflict") || attempt === MUTATE_TRIES) throw error;
        await this.waitForChange(seen, undefined, MUTATE_WAIT_MS);
      }
    }
  }

  /**
   * Whether no such object is stored now, as the backend knows it: the view may be behind. For decisions that cannot
   * be taken back. Faults "unavailable" and "timeout".
   */
  async isAbsent(kind: Kind, id: string): Promise<boolean> {
    try {
      // Deletes nothing: it is guarded by that there is nothing.
      await this.#parts.backend.commit([{ op: "delete", key: keyOf(kind, id), expected: 0 }]);
      return true;
    } catch (error) {
      if (Fault.is(error, "conflict")) return false;
      throw error;
    }
  }

  /** What this commit is told as. Its name is that of the version it replaces, so nobody else can write the same. */
  #newsOf(changes: readonly Change[]): Change[] {
    const { tell, clock } = this.#parts;
    const [first] = changes;
    if (tell === undefined || first === undefined) return [];
    const events = tell(changes.map((change) => asTold(this.#view, change)));
    if (events.length === 0) return [];
    const now = clock.now();
    const { id, version } = first.op === "put" ? first.object : first;
    const at = this.#newsClock.next(now, events.length);
    return [put("news", { ...newMeta(`${first.kind}.${id}.${version}`, now), at, events })];
  }

  #writeOf(change: Change): Write {
    if (change.op === "delete") {
      return { op: "delete", key: keyOf(change.kind, change.id), expected: change.version };
    }
    const { object, kind } = change;
    const key = keyOf(kind, object.id);
    const stamped = { ...object, updatedAt: this.#parts.clock.now() };
    return {
      op: "put",
      key,
      value: encodeObject(this.#parts.seal, key, stamped),
      expected: object.version,
    };
  }

  /** Lists, and takes what differs from the view as if it were one commit. */
  async #list(): Promise<void> {
    const { entries, version } = await this.#parts.backend.list(PREFIX);
    const listed = new Set(entries.map((entry) => entry.key));
    const known = KINDS.flatMap((kind) => [...this.#view.all(kind)].map((object) => keyOf(kind, object.id)));
    this.#take({
      version,
      puts: entries.filter((entry) => !this.#has(entry)),
      deletes: known.filter((key) => !listed.has(key)),
    });
  }

  #has({ key, version }: Entry): boolean {
    const name = parseKey(key);
    return name !== undefined && this.#view.get(name.kind, name.id)?.version === version;
  }

  /**
   * Moves the view by one commit, then tells. Everything is opened first: a commit is seen whole or not at all. The watch and a
   * listing may overtake each other: what the view has is not taken again.
   */
  #take(commit: Commit): void {
    if (commit.version <= this.#version) return;
    const puts = commit.puts.flatMap((entry) => this.#open(entry));
    const deletes = commit.deletes.flatMap((key) => parseKey(key) ?? []);
    const changes: ObjectChange[] = [];
    for (const { kind, object } of puts) {
      const before = this.#view.put(kind, object);
      if (kind === "news") this.#newsClock.saw(object as News);
      changes.push({ kind, after: object, ...(before && { before }) });
    }
    for (const { kind, id } of deletes) {
      const before = this.#view.delete(kind, id);
      if (before !== undefined) changes.push({ kind, before });
    }
    this.#version = Math.max(this.#version, commit.version);
    if (changes.length > 0) this.#tell(changes);
    this.#wake();
  }

  #open(entry: Entry): { kind: Kind; object: Kinds[Kind] }[] {
    const name = parseKey(entry.key);
    if (name === undefined) return [];
    return [{ kind: name.kind, object: decodeObject(this.#parts.seal, entry) }];
  }

  /** One listener's mistake must not stop the watch that feeds everybody. */
  #tell(changes: readonly ObjectChange[]): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes);
      } catch (error) {
        this.#parts.log.error("a listener of the store failed", { error: messageOf(error) });
      }
    }
  }

  #wake(): void {
    for (const { since, done } of this.#waiters) if (this.#version > since || this.#stopped) done();
  }

  async #reached(version: number): Promise<void> {
    await this.waitForChange(version - 1, undefined, READ_BACK_MS);
    if (this.#version >= version) return;
    throw this.#stopped
      ? new Fault("unavailable", "the write is stored, but this manager is stopping")
      : new Fault("timeout", "the write is stored, but this manager has not seen it come back");
  }
}

/** The change as it will be: every write is guarded by the version that the view has, so that `before` is what it replaces. */
function asTold(view: View, change: Change): ObjectChange {
  const before = view.get(change.kind, change.op === "put" ? change.object.id : change.id);
  const after = change.op === "put" ? { after: change.object } : {};
  return { kind: change.kind, ...(before && { before }), ...after };
}
