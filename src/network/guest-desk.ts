import type { NetworkFact } from "../dataplane/index.ts";
import { type Clock, Fault, type FaultKind, type Log, withDeadline } from "../lib/index.ts";
import type { GuestPlace, GuestRefusal, GuestWish, NumberedWish } from "../model/index.ts";
import { type ClusterFacts, NO_FACTS } from "./cluster-network.ts";

/** Wishes on their way to a manager: the node's only ones when `complete`. */
export interface GuestWords {
  readonly complete: boolean;
  readonly wishes: readonly NumberedWish[];
}

/** This node as a member of a cluster, as its containers made by hand see it. */
export interface GuestLine {
  readonly nodeId: string;
  /** Tells the manager, if there is one now; whoever comes next is told everything. */
  say(words: GuestWords): void;
  /** Why nothing can be on these networks here, as half a sentence; undefined when it can. */
  objectionTo(networkIds: readonly string[]): string | undefined;
}

/** A container's place on an overlay network. */
export interface GuestPlacement {
  /** The word of the wish. */
  readonly ref: string;
  readonly network: NetworkFact;
  readonly address: string;
  readonly address6?: string;
}

/** A container's place that was given to it before this process began; it is called by the network's id. */
export type AdoptedPlace = GuestWish["networks"][number];

export interface GuestDeskParts {
  readonly clock: Clock;
  readonly log: Log;
}

type Answer = { readonly id: string; readonly number: number } & {
  readonly places: readonly GuestPlace[];
  readonly refusal?: GuestRefusal;
};

type Used = Pick<GuestPlacement, "address" | "address6">;

interface Entry {
  /** Its networks go by their ids once it has its places: somebody may give a name to another network. */
  wish: GuestWish;
  readonly number: number;
  /** What its words mean, once a manager has said so. */
  places: readonly Pick<GuestPlace, "ref" | "networkId">[] | undefined;
  refusal: GuestRefusal | undefined;
  /** It has its places: a manager that refuses them later takes something away. */
  isPlaced: boolean;
}

/** As long as moby waits (daemon/cluster/networks.go). */
const WAIT_MS = 30_000;
/** In its words. */
const LATE =
  "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded";
const RETRY_MS = 5_000;
/** What the same wish may meet otherwise the next time. */
const PASSING: ReadonlySet<FaultKind> = new Set(["conflict", "unavailable", "timeout", "internal"]);

/**
 * What this node's containers made by hand want of the cluster's networks. It outlives agents and managers: each manager that a session
 * begins with is told all that is wished, so that nothing is there twice and nothing stays.
 */
export class GuestDesk {
  readonly #parts: GuestDeskParts;
  readonly #entries = new Map<string, Entry>();
  #line: GuestLine | undefined;
  #facts: ClusterFacts = NO_FACTS;
  #number = 0;
  #wake: (() => void)[] = [];
  /** A container has lost its place on the network that it called so; empty: on all. */
  onLost: (id: string, ref: string, refusal: GuestRefusal) => void = () => undefined;

  constructor(parts: GuestDeskParts) {
    this.#parts = parts;
  }

  /** Whether the node is in a cluster, whose networks could be wished for. */
  get isOpen(): boolean {
    return this.#line !== undefined;
  }

  /**
   * The container's places on all networks of the wish, which is its whole one; resolves when the node's facts have them. A wish that cannot
   * be fulfilled leaves the one before in force. Faults: the manager's; "timeout" in Docker's words after 30 s; "unsupported" where this
   * node cannot be on such a network; "unavailable" outside of a cluster.
   */
  async place(wish: GuestWish, signal: AbortSignal): Promise<readonly GuestPlacement[]> {
    if (!this.isOpen) throw new Fault("unavailable", "This node is not part of a swarm");
    const before = this.#entries.get(wish.id);
    const entry = this.#enter(wish);
    this.#say([entry]);
    try {
      return await withDeadline(this.#parts.clock, WAIT_MS, LATE, (late) =>
        this.#placed(entry, AbortSignal.any([signal, late])),
      );
    } catch (error) {
      if (this.#entries.get(wish.id) === entry) this.#goBack(wish, before, entry.refusal === undefined);
      throw error;
    }
  }

  /**
   * The container is on this network no more, or, without one, on no overlay: to be said once the kernel has let go of the addresses.
   */
  leave(id: string, networkId?: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const next = this.#narrow(entry, ({ ref }) => networkId !== undefined && ref !== networkId);
    if (next === undefined) this.#sayNothing(entry.wish);
    else this.#say([next]);
  }

  /** The container is called otherwise from now on. */
  rename({ id, name }: Pick<GuestWish, "id" | "name">): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.wish.name === name) return;
    const next = this.#enter({ ...entry.wish, name });
    settle(next, entry.places ?? []);
    this.#say([next]);
  }

  /** A container that has run since before this process began keeps its place on one more network, of this id. */
  adopt({ id, name }: Pick<GuestWish, "id" | "name">, on: AdoptedPlace): void {
    const before = this.#entries.get(id);
    const entry = this.#enter({ id, name, networks: [...(before?.wish.networks ?? []), on] });
    settle(entry, [...(before?.places ?? []), { ref: on.ref, networkId: on.ref }]);
  }

  /** The node is in a cluster, and will introduce itself to its managers. */
  open(line: GuestLine): void {
    this.#line = line;
  }

  /** The agent has ended; containers keep what they have. */
  close(line: GuestLine): void {
    if (this.#line === line) this.#line = undefined;
  }

  /** All that is wished, for a manager that knows nothing; with the addresses that are in use. */
  introduction(): GuestWords {
    return { complete: true, wishes: [...this.#entries.values()].map((entry) => this.#wordsOf(entry)) };
  }

  /** The node has left the cluster for good: its containers are on no overlay any more. */
  disband(): void {
    const all = [...this.#entries.keys()];
    this.#entries.clear();
    this.#facts = NO_FACTS;
    const refusal: GuestRefusal = { kind: "unavailable", message: "the node has left the swarm", ref: "" };
    for (const id of all) this.onLost(id, "", refusal);
    this.#notify();
  }

  /** A manager's answer. */
  heard({ id, number, places, refusal }: Answer): void {
    const entry = this.#entries.get(id);
    if (entry?.number !== number) return;
    if (refusal === undefined) entry.places = places;
    else if (entry.isPlaced) this.#refused(entry, refusal);
    else entry.refusal = refusal;
    this.#notify();
  }

  /** What managers have told of the cluster's networks. */
  follow(facts: ClusterFacts): void {
    this.#facts = facts;
    this.#notify();
  }

  async #placed(entry: Entry, signal: AbortSignal): Promise<readonly GuestPlacement[]> {
    while (true) {
      signal.throwIfAborted();
      if (entry.refusal !== undefined) throw new Fault(entry.refusal.kind, entry.refusal.message);
      const objection = this.#line?.objectionTo(entry.places?.map(({ networkId }) => networkId) ?? []);
      if (objection !== undefined) throw new Fault("unsupported", objection);
      const found = this.#placementsOf(entry);
      if (found !== undefined) {
        settle(entry, entry.places ?? []);
        return found;
      }
      await this.#change(signal);
    }
  }

  /** Its places as the facts have them; undefined until all are there. */
  #placementsOf({ wish, places }: Entry): GuestPlacement[] | undefined {
    if (places === undefined) return undefined;
    const row = this.#facts.guests?.find(({ id }) => id === wish.id);
    const own = this.#facts.nodes.find(({ id }) => id === this.#line?.nodeId)?.addresses ?? {};
    const found = places.flatMap(({ ref, networkId }): GuestPlacement[] => {
      const network = this.#facts.networks.find(({ id }) => id === networkId);
      const [address, address6] = [row?.addresses[networkId], row?.addresses6?.[networkId]];
      if (network === undefined || address === undefined || own[networkId] === undefined) return [];
      const asked = wish.networks.find((on) => on.ref === ref);
      // What was told of an earlier wish.
      if ((asked?.address ?? address) !== address || (asked?.address6 ?? address6) !== address6) return [];
      return [{ ref, network, address, ...(address6 !== undefined && { address6 }) }];
    });
    return found.length === places.length ? found : undefined;
  }

  #enter(wish: GuestWish): Entry {
    const entry: Entry = {
      ...{ wish, number: ++this.#number, isPlaced: false },
      ...{ places: undefined, refusal: undefined },
    };
    this.#entries.set(wish.id, entry);
    return entry;
  }

  /** A manager that refused has left things as they were; one that did not answer may have changed them. */
  #goBack(wish: GuestWish, before: Entry | undefined, isUnsure: boolean): void {
    if (before === undefined) this.#entries.delete(wish.id);
    else this.#entries.set(wish.id, before);
    if (!isUnsure) return;
    if (before === undefined) this.#sayNothing(wish);
    else this.#say([before]);
  }

  /** What a container had, it can have no longer, or not now. */
  #refused(entry: Entry, refusal: GuestRefusal): void {
    const { clock, log } = this.#parts;
    const { id } = entry.wish;
    if (PASSING.has(refusal.kind)) {
      clock.after(RETRY_MS, () => {
        if (this.#entries.get(id) === entry) this.#say([entry]);
      });
      return;
    }
    log.warn("a container lost its network", { container: id, network: refusal.ref, error: refusal.message });
    const next = this.#narrow(entry, ({ ref }) => refusal.ref !== "" && ref !== refusal.ref);
    if (next !== undefined) this.#say([next]);
    this.onLost(id, refusal.ref, refusal);
  }

  /** What is left of a container's networks; undefined when nothing is. */
  #narrow({ wish, places }: Entry, stays: (on: { readonly ref: string }) => boolean): Entry | undefined {
    this.#entries.delete(wish.id);
    const networks = wish.networks.filter(stays);
    if (networks.length === 0) return undefined;
    const next = this.#enter({ ...wish, networks });
    settle(next, places?.filter(stays) ?? []);
    return next;
  }

  #say(entries: readonly Entry[]): void {
    this.#line?.say({ complete: false, wishes: entries.map((entry) => this.#wordsOf(entry)) });
  }

  #sayNothing({ id, name }: GuestWish): void {
    this.#line?.say({ complete: false, wishes: [{ id, name, networks: [], number: ++this.#number }] });
  }

  /** With the addresses that it has: another manager is to give it no others. */
  #wordsOf({ wish, number, places, isPlaced }: Entry): NumberedWish {
    const row = isPlaced ? this.#facts.guests?.find(({ id }) => id === wish.id) : undefined;
    const networks = wish.networks.map((on) => {
      const networkId = places?.find(({ ref }) => ref === on.ref)?.networkId ?? "";
      const [address, address6] = [row?.addresses[networkId], row?.addresses6?.[networkId]];
      return { ...on, ...(address !== undefined && { used: usedOf({ address, address6 }) }) };
    });
    return { ...wish, networks, number };
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

function usedOf({
  address,
  address6,
}: {
  readonly address: string;
  readonly address6?: string | undefined;
}): Used {
  return { address, ...(address6 !== undefined && { address6 }) };
}

/** It has its places. */
function settle(entry: Entry, places: NonNullable<Entry["places"]>): void {
  const idOf = (word: string) => places.find(({ ref }) => ref === word)?.networkId ?? word;
  entry.wish = { ...entry.wish, networks: entry.wish.networks.map((on) => ({ ...on, ref: idOf(on.ref) })) };
  entry.places = places.map(({ networkId }) => ({ ref: networkId, networkId }));
  entry.isPlaced = true;
}
