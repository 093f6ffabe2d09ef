import { equal } from "../lib/index.ts";
import { type Network, type NetworkSide, type NetworkState, type OwnPort, ownPorts } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { heldBeside, isToBeHad } from "./beside.ts";
import { BOOKS, type Books } from "./books.ts";
import { poolsOf, rangeOf } from "./pools.ts";
import type { AddressRange } from "./range.ts";

/** One family of a network: its subnets in the order in which they are filled. */
interface Page {
  readonly name: string;
  readonly shelves: readonly Shelf[];
  /** How many addresses may be given in all. */
  readonly size: number;
}

interface Shelf {
  readonly range: Pick<AddressRange, "size" | "next">;
  /** The address given last. */
  cursor: string | undefined;
  /** Found full: nothing comes free in one pass, so nobody looks through it again. */
  isFull: boolean;
}

/** Addresses on one network. */
export interface Place {
  readonly address: string;
  readonly address6?: string;
}

/** Why an address that was asked for cannot be given. */
export interface Objection {
  readonly kind: "invalid" | "exists" | "precondition";
  readonly error: string;
}

/** One pass's hand over the numbers: what is held (the view's books, and what this pass gave), and what is next. */
export class Ledger {
  readonly books: Books;
  readonly ingress: Network | undefined;
  readonly #pages: Readonly<Record<4 | 6, Map<string, Page | undefined>>> = { 4: new Map(), 6: new Map() };
  readonly #networks: ReadonlyMap<string, Network>;
  readonly #view: View;
  #ownPorts: readonly OwnPort[] | undefined;

  constructor(view: View, networks: ReadonlyMap<string, Network>) {
    this.books = BOOKS.fork(view.derive(BOOKS));
    this.#networks = networks;
    this.#view = view;
    this.ingress = [...networks.values()].find((n) => n.spec.ingress && n.state !== undefined);
  }

  /** Ports that the cluster itself needs; looked up when first asked for. */
  get ownPorts(): readonly OwnPort[] {
    this.#ownPorts ??= ownPorts(this.#view.cluster(), this.#view.all("node"));
    return this.#ownPorts;
  }

  /** A free place on the network for one who holds it from now on; undefined when there is none. */
  give(networkId: string): Place | undefined {
    const place = this.place(networkId);
    if (place !== undefined) this.books.hold({ networkId, ...place }, 1);
    return place;
  }

  /** The place whose turn it is: an address, and one of IPv6 where the network has that. Whoever takes it enters it into the books. */
  place(networkId: string): Place | undefined {
    const address = this.next(networkId);
    if (address === undefined) return undefined;
    const address6 = this.#turn(networkId, 6);
    return { address, ...(address6 !== undefined && { address6 }) };
  }

  /** The IPv4 address whose turn it is; the next one goes on after it. */
  next(networkId: string): string | undefined {
    return this.#turn(networkId, 4);
  }

  /** Of the first subnet that has one. */
  #turn(networkId: string, family: 4 | 6): string | undefined {
    for (const shelf of this.#pageOf(networkId, family)?.shelves ?? []) {
      if (shelf.isFull) continue;
      const address = shelf.range.next(shelf.cursor, (text) => this.books.isHeld(networkId, text));
      if (address === undefined) {
        shelf.isFull = true;
        continue;
      }
      shelf.cursor = address;
      return address;
    }
    return undefined;
  }

  /** Why nobody can have an address here; undefined when somebody can. */
  refusal(networkId: string): string | undefined {
    return this.#refusal(networkId, 0);
  }

  /**
   * Why a task cannot have one. One more must be left for the node it may land on, which needs an address of its own:
   * without it the task would be placed and then have no network.
   */
  refusalToTask(networkId: string): string | undefined {
    const { books } = this;
    return this.#refusal(networkId, Math.min(books.strangers(networkId), books.airborne(networkId) + 1));
  }

  #refusal(networkId: string, reserve: number): string | undefined {
    const page = this.#pageOf(networkId, 4);
    if (page === undefined) return `network ${networkId} is not allocated`;
    const free = page.size - this.#usedOf(networkId, 4);
    if (free <= reserve) return `network ${page.name} has no free address`;
    const page6 = this.#pageOf(networkId, 6);
    if (page6 === undefined || page6.size > this.#usedOf(networkId, 6)) return undefined;
    return `network ${page.name} has no free IPv6 address`;
  }

  /** The same for a guest of a node that is known, and that may have its own address there already. */
  refusalToGuest(networkId: string, nodeId: string): string | undefined {
    const { books } = this;
    const inTheAir = books.airborne(networkId) + (books.isOn(networkId, nodeId) ? 0 : 1);
    return this.#refusal(networkId, Math.min(books.strangers(networkId), inTheAir));
  }

  /** Why nobody can have just these addresses; undefined when somebody can, or none were asked for. Docker's words. */
  objectionTo(networkId: string, { address, address6 }: Partial<Place>): Objection | undefined {
    const network = this.#networks.get(networkId);
    for (const asked of [address, address6]) {
      if (asked === undefined) continue;
      if (network === undefined || !isToBeHad(network, asked)) {
        const error = `invalid address ${asked}: It does not belong to any of this network's subnets`;
        return { kind: "invalid", error };
      }
      if (this.books.isHeld(networkId, asked))
        return { kind: "exists", error: `Address already in use (${asked})` };
    }
    return undefined;
  }

  /** As `place`, with those addresses in it that are asked for and that nothing is to be said against. */
  placeAs(networkId: string, asked: Partial<Place>): Place | undefined {
    const { address = this.next(networkId), address6 = this.#turn(networkId, 6) } = asked;
    if (address === undefined) return undefined;
    const place = { address, ...(address6 !== undefined && { address6 }) };
    this.books.hold({ networkId, ...place }, 1);
    return place;
  }

  /** Addresses that are held, of those that the network gives. */
  #usedOf(networkId: string, family: 4 | 6): number {
    const network = this.#networks.get(networkId);
    const beside = network === undefined ? 0 : heldBeside(this.#view, network, family);
    return this.books.used(networkId, family) - beside;
  }

  /** The networks' states that giving has moved on. */
  moved(): Map<string, NetworkState> {
    const states = new Map<string, NetworkState>();
    for (const id of new Set([...this.#pages[4].keys(), ...this.#pages[6].keys()])) {
      const state = this.#networks.get(id)?.state;
      if (state === undefined) continue;
      const [four, six] = [this.#pages[4].get(id), this.#pages[6].get(id)];
      const next = {
        ...withCursors(state, four),
        ...(state.v6 !== undefined && { v6: withCursors(state.v6, six) }),
      };
      if (!equal(next, state)) states.set(id, next);
    }
    return states;
  }

  #pageOf(networkId: string, family: 4 | 6): Page | undefined {
    const pages = this.#pages[family];
    if (pages.has(networkId)) return pages.get(networkId);
    const network = this.#networks.get(networkId);
    const page = network && pageOf(network, family);
    pages.set(networkId, page);
    return page;
  }
}

function pageOf(network: Network, family: 4 | 6): Page | undefined {
  const shelves = poolsOf(network, family).map((pool): Shelf => {
    return { range: rangeOf(pool), cursor: pool.state.cursor, isFull: false };
  });
  if (shelves.length === 0) return undefined;
  const size = shelves.reduce((sum, { range }) => sum + range.size, 0);
  return { name: network.spec.name, shelves, size };
}

function withCursors<S extends NetworkSide>(side: S, page: Page | undefined): S {
  const cursorAt = (i: number) => {
    const cursor = page?.shelves[i]?.cursor;
    return cursor === undefined ? {} : { cursor };
  };
  const more = side.more?.map((subnet, i) => ({ ...subnet, ...cursorAt(i + 1) }));
  return { ...side, ...cursorAt(0), ...(more !== undefined && { more }) };
}
