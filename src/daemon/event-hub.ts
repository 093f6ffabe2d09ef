import type { EngineEvent, EventBackend } from "../api/index.ts";
import { type Clock, type Instant, Queue } from "../lib/index.ts";

/** Docker keeps the last 256 for `--since` (moby daemon/events/events.go). */
const KEPT = 256;
/** Events that wait for a listener who does not read; then he is let go. */
const MAX_WAITING = 10_000;

/** Gathers what happens on this node, and on a manager in the swarm, and tells all who listen. */
export class EventHub implements EventBackend {
  readonly #clock: Clock;
  readonly #listeners = new Set<Queue<EngineEvent>>();
  #kept: EngineEvent[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  publish(event: Omit<EngineEvent, "at">): void {
    const stamped = { ...event, at: this.#clock.now() };
    if (!isProbe(event)) this.#kept = [...this.#kept, stamped].slice(-KEPT);
    for (const listener of this.#listeners) {
      listener.push(stamped);
      if (listener.size > MAX_WAITING) this.#letGo(listener);
    }
  }

  /** What waits is still his; then his stream ends. */
  #letGo(listener: Queue<EngineEvent>): void {
    this.#listeners.delete(listener);
    listener.close();
  }

  async *subscribe(since: Instant | undefined, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const queue = new Queue<EngineEvent>();
    if (since !== undefined) for (const event of this.#kept) if (event.at >= since) queue.push(event);
    this.#listeners.add(queue);
    const close = () => queue.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      if (!signal.aborted) yield* queue;
    } finally {
      this.#listeners.delete(queue);
      signal.removeEventListener("abort", close);
    }
  }
}

/** Programs in containers, which health checks run all the time: they would leave no room for what people look for. */
function isProbe({ type, action }: Pick<EngineEvent, "type" | "action">): boolean {
  return type === "container" && action.startsWith("exec_");
}
