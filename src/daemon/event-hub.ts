import type { EngineEvent, EventBackend } from "../api/index.ts";
import { type Clock, Fault, type Instant, Queue } from "../lib/index.ts";
import { MICROS_APART, microsOf, type News, nextMicros } from "../model/index.ts";
import { type Kept, KeptEvents } from "./kept-events.ts";

/** Events that wait for a listener who does not read; then he is let go. */
const MAX_WAITING = 10_000;
const BEHIND = `cannot tell of more events: the reader fell behind by more than ${MAX_WAITING}`;

interface Listener {
  readonly queue: Queue<EngineEvent>;
  /** What happened before does not concern him. */
  readonly after: Instant;
  readonly onBehind: () => void;
  isBehind: boolean;
}

/** What was told, kept while no shoald runs. */
export interface EventJournal {
  load(): readonly Kept[];
  /** More was told: `all` is what is kept now, `added` at its end. Throws nothing, as does the other. */
  add(added: readonly Kept[], all: readonly Kept[]): void;
  replace(all: readonly Kept[]): void;
}

/** A hub with this one forgets when the process ends. */
const NO_JOURNAL: EventJournal = { load: () => [], add: () => undefined, replace: () => undefined };

/**
 * Gathers what happens on this node, and on a manager in the swarm, and tells all who listen. No two events have one time: that of the last
 * one somebody has heard says what he has not (docs/engine-api.md).
 */
export class EventHub implements EventBackend {
  readonly #clock: Clock;
  readonly #journal: EventJournal;
  readonly #listeners = new Set<Listener>();
  readonly #kept: KeptEvents;
  /** The node's own next event is not before. */
  #end = 0;
  /** The swarm whose news are told, the commit up to which they are, and the time after them. */
  #news = { cluster: "", version: 0, end: 0 };

  constructor(clock: Clock, journal: EventJournal = NO_JOURNAL) {
    this.#clock = clock;
    this.#journal = journal;
    this.#kept = new KeptEvents(journal.load());
    const last = this.#kept.lastNews;
    if (last?.of !== undefined) this.#news = { ...last.of, end: microsOf(last.event.at) + MICROS_APART };
    for (const { event } of this.#kept.all) if (event.scope === "local") this.#end = microsOf(event.at) + 1;
  }

  /** Events that wait for those who have not read them. */
  get waiting(): number {
    return [...this.#listeners].reduce((sum, { queue }) => sum + queue.size, 0);
  }

  /** Something happened on this node. */
  publish(event: Omit<EngineEvent, "at">): void {
    const odd = nextMicros(this.#clock.now(), this.#end);
    this.#end = odd + MICROS_APART;
    const stamped = { ...event, at: (odd + 1) / 1000 };
    if (!isProbe(event)) this.#keep([{ event: stamped }]);
    for (const listener of this.#listeners) this.#tell(listener, stamped);
  }

  /**
   * What a swarm's commits are told as, in their order. What was told, before a restart too, is not told again. `isPast`: the store had it when it
   * was opened, so who did not ask for the past hears only what came after he did.
   */
  tellNews(cluster: string, news: readonly News[], isPast: boolean = false): void {
    const isKnown = cluster === this.#news.cluster;
    if (!isKnown) this.#news = { cluster, version: 0, end: 0 };
    const told = news
      .filter(({ version }) => version > this.#news.version)
      .flatMap((one) => this.#timed(one));
    if (told.length === 0) return;
    if (isPast && !isKnown) this.#takeIn(told);
    else this.#keep(told);
    for (const { event } of told)
      for (const listener of this.#listeners)
        if (!isPast || event.at > listener.after) this.#tell(listener, event);
  }

  async *subscribe(
    since: Instant | undefined,
    signal: AbortSignal,
    onBehind: () => void = () => undefined,
  ): AsyncGenerator<EngineEvent> {
    const queue = new Queue<EngineEvent>();
    const listener = { queue, after: since ?? this.#clock.now(), onBehind, isBehind: false };
    if (since !== undefined) for (const event of this.#kept.since(since)) queue.push(event);
    this.#listeners.add(listener);
    const close = () => queue.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      if (!signal.aborted) yield* queue;
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", close);
    }
    if (listener.isBehind && !signal.aborted) throw new Fault("unavailable", BEHIND);
  }

  /** Before the first listener hears of it: what somebody heard is never told again. */
  #keep(told: readonly Kept[]): void {
    this.#kept.add(told);
    this.#journal.add(told, this.#kept.all);
  }

  #takeIn(past: readonly Kept[]): void {
    this.#kept.addPast(past);
    this.#journal.replace(this.#kept.all);
  }

  /** A commit's events with their times: those that every reader of the store comes to. */
  #timed({ at, events, version }: News): Kept[] {
    const { cluster, end } = this.#news;
    const first = Math.max(microsOf(at), end);
    this.#news = { cluster, version, end: first + events.length * MICROS_APART };
    return events.map((event, i) => ({
      event: { ...event, scope: "swarm", at: (first + i * MICROS_APART) / 1000 },
      of: { cluster, version },
    }));
  }

  /** Of one who is too far behind, what waits is still his; then his stream ends, with a word. */
  #tell(listener: Listener, event: EngineEvent): void {
    listener.queue.push(event);
    if (listener.queue.size <= MAX_WAITING) return;
    listener.isBehind = true;
    this.#listeners.delete(listener);
    listener.queue.close();
    listener.onBehind();
  }
}

/** Programs in containers, which health checks run all the time: they would leave no room for what people look for. */
function isProbe({ type, action }: Pick<EngineEvent, "type" | "action">): boolean {
  return type === "container" && action.startsWith("exec_");
}
