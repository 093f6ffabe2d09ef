import {
  type Clock,
  type Instant,
  type Log,
  messageOf,
  type Random,
  randomFloat,
  sleep,
} from "../lib/index.ts";
import { DEFAULT_CLUSTER_SPEC, HEARTBEAT_GRACE, put } from "../model/index.ts";
import type { Store } from "../store/index.ts";

/** What the watch over nodes needs. */
export interface LivenessParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How often silence is looked for. */
const LOOK_MS = 250;

/** When each node was last heard, and what silence means: DOWN after three missed heartbeats (swarmkit dispatcher). */
export class Liveness {
  readonly #parts: LivenessParts;
  readonly #heard = new Map<string, Instant>();
  #since: Instant;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
    this.#since = parts.clock.now();
  }

  heard(nodeId: string): void {
    this.#heard.set(nodeId, this.#parts.clock.now());
  }

  /** The heartbeat period to tell an agent now, spread by a tenth so that agents do not beat together. */
  periodMs(): number {
    return Math.round(this.#base() * (0.9 + 0.2 * randomFloat(this.#parts.random)));
  }

  /** Marks silent nodes down until the signal aborts. A new leader gives everybody a full grace first. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    this.#since = clock.now();
    let looked = clock.now();
    while (!signal.aborted) {
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
      // Our own pause (a stopped process, a jump of the clock) is not the nodes' silence.
      if (clock.now() - looked > 4 * LOOK_MS) this.#since = clock.now();
      looked = clock.now();
      if (!signal.aborted) await this.#markSilent();
    }
  }

  async #markSilent(): Promise<void> {
    const { store, log } = this.#parts;
    const silent = [...store.view.all("node")].filter(
      (n) => n.status.state === "ready" && this.#isSilent(n.id),
    );
    if (silent.length === 0) return;
    const marking = store.mutate((view) =>
      silent.flatMap(({ id }) => {
        const node = view.get("node", id);
        if (node === undefined || !this.#isSilent(id)) return [];
        log.warn("node is down", { node: id });
        const down = {
          state: "down",
          message: "heartbeat failure",
          downAt: this.#parts.clock.now(),
        } as const;
        return [put("node", { ...node, status: { ...node.status, ...down } })];
      }),
    );
    await marking.catch((error: unknown) => log.warn("silent nodes not marked", { error: messageOf(error) }));
  }

  #isSilent(nodeId: string): boolean {
    const last = Math.max(this.#heard.get(nodeId) ?? 0, this.#since);
    return this.#parts.clock.now() - last > HEARTBEAT_GRACE * this.#base();
  }

  #base(): number {
    return (this.#parts.store.view.cluster()?.spec ?? DEFAULT_CLUSTER_SPEC).heartbeatMs;
  }
}
