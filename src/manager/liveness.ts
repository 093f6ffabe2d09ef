import { type Clock, type Log, messageOf, type Random, randomFloat, sleep } from "../lib/index.ts";
import { DEFAULT_CLUSTER_SPEC, HEARTBEAT_GRACE, type Node, put } from "../model/index.ts";
import type { Store, View } from "../store/index.ts";

/** What the watch over nodes needs. */
export interface LivenessParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How often silence is looked for, and how much of a longer time between two looks counts. */
const LOOK_MS = 250;
const LONGEST_LOOK_MS = 2 * LOOK_MS;

/**
 * When each node was last heard, and what silence means: DOWN after three missed heartbeats (swarmkit dispatcher). Silence
 * is measured in time that this manager was awake for: what it was too busy, or stopped, to hear is nobody's silence, nor is
 * a jump of the clock.
 */
export class Liveness {
  readonly #parts: LivenessParts;
  /** By node, in time awake; nodes that nobody has heard yet, from when they were first looked at. */
  readonly #heard = new Map<string, number>();
  /** Milliseconds. */
  #awake = 0;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
  }

  heard(nodeId: string): void {
    this.#heard.set(nodeId, this.#awake);
  }

  /** The node says that it leaves for good: it is down, and nobody waits to see it silent. */
  left(nodeId: string): Promise<void> {
    return this.#mark((node) =>
      node.id === nodeId ? this.#down(node, "the node left the swarm") : undefined,
    );
  }

  /** The node was removed. */
  forget(nodeId: string): void {
    this.#heard.delete(nodeId);
  }

  /** The heartbeat period to tell an agent now, spread by a tenth so that agents do not beat together. */
  periodMs(): number {
    return Math.round(this.#base() * (0.9 + 0.2 * randomFloat(this.#parts.random)));
  }

  /**
   * Marks silent nodes down until the signal aborts. What a new leader has not heard of is unknown to it, and has twice the
   * grace to say that it is there.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (const nodeId of this.#heard.keys()) this.heard(nodeId);
    await this.#mark((node) => (this.#heard.has(node.id) ? undefined : unknown(node)));
    let looked = clock.now();
    while (!signal.aborted) {
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
      this.#awake += Math.min(Math.max(0, clock.now() - looked), LONGEST_LOOK_MS);
      looked = clock.now();
      if (!signal.aborted)
        await this.#mark((node) => (this.#isSilent(node) ? this.#down(node, silence(node)) : undefined));
    }
  }

  /** Writes the nodes that this changes; one that is down stays so until it begins a session. */
  async #mark(change: (node: Node) => Node | undefined): Promise<void> {
    const { store, log } = this.#parts;
    const changed = (view: View) =>
      [...view.all("node")].flatMap((node) => (node.status.state === "down" ? [] : (change(node) ?? [])));
    if (changed(store.view).length === 0) return;
    const marking = store.mutate((view) => {
      const nodes = changed(view);
      for (const { id, status } of nodes) if (status.state === "down") log.warn("node is down", { node: id });
      return nodes.map((node) => put("node", node));
    });
    await marking.catch((error: unknown) => log.warn("silent nodes not marked", { error: messageOf(error) }));
  }

  #down(node: Node, message: string): Node {
    return { ...node, status: { ...node.status, state: "down", message, downAt: this.#parts.clock.now() } };
  }

  #isSilent(node: Node): boolean {
    const last = this.#heard.get(node.id);
    if (last === undefined) this.heard(node.id);
    const graces = node.status.state === "unknown" ? 2 : 1;
    return this.#awake - (last ?? this.#awake) > graces * HEARTBEAT_GRACE * this.#base();
  }

  #base(): number {
    return (this.#parts.store.view.cluster()?.spec ?? DEFAULT_CLUSTER_SPEC).heartbeatMs;
  }
}

function silence({ status }: Node): string {
  return status.state === "unknown" ? 'heartbeat failure for node in "unknown" state' : "heartbeat failure";
}

/** In Swarm's words (swarmkit dispatcher.go markNodesUnknown). */
function unknown(node: Node): Node | undefined {
  if (node.status.state === "unknown") return undefined;
  const message = 'Node moved to "unknown" state due to leadership change in cluster';
  return { ...node, status: { ...node.status, state: "unknown", message } };
}
