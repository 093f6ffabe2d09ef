import { equal } from "../lib/index.ts";
import { ipamOf, type Network, type NetworkState } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { heldBeside, isToBeHad } from "./beside.ts";
import { BOOKS, type Books } from "./books.ts";
import { AddressRange } from "./range.ts";
import { AddressRange6 } from "./range6.ts";

interface Page {
  readonly name: string;
  readonly range: Pick<AddressRange, "size" | "next">;
  /** The address given last. */
  cursor: string | undefined;
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
  readonly #pages = new Map<string, Page | undefined>();
  /** Of networks with IPv6. */
  readonly #pages6 = new Map<string, Page | undefined>();
  readonly #networks: ReadonlyMap<string, Network>;
  readonly #view: View;

  constructor(view: View, networks: ReadonlyMap<string, Network>) {
    this.books = BOOKS.fork(view.derive(BOOKS));
    this.#networks = networks;
    this.#view = view;
    this.ingress = [...networks.values()].find((n) => n.spec.ingress && n.state !== undefined);
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
    const address6 = this.#turn(networkId, this.#page6Of(networkId));
    return { address, ...(address6 !== undefined && { address6 }) };
  }

  /** The IPv4 address whose turn it is; the next one goes on after it. */
  next(networkId: string): string | undefined {
    return this.#turn(networkId, this.#pageOf(networkId));
  }

  #turn(networkId: string, page: Page | undefined): string | undefined {
    const address = page?.range.next(page.cursor, (text) => this.books.isHeld(networkId, text));
    if (page !== undefined && address !== undefined) page.cursor = address;
    return address;
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
    const page = this.#pageOf(networkId);
    if (page === undefined) return `network ${networkId} is not allocated`;
    const free = page.range.size - this.#usedOf(networkId, 4);
    if (free <= reserve) return `network ${page.name} has no free address`;
    const page6 = this.#page6Of(networkId);
    if (page6 === undefined || page6.range.size > this.#usedOf(networkId, 6)) return undefined;
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
    const { address = this.next(networkId), address6 = this.#turn(networkId, this.#page6Of(networkId)) } =
      asked;
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
    for (const id of new Set([...this.#pages.keys(), ...this.#pages6.keys()])) {
      const state = this.#networks.get(id)?.state;
      if (state === undefined) continue;
      const next = withCursors(state, this.#pages.get(id)?.cursor, this.#pages6.get(id)?.cursor);
      if (!equal(next, state)) states.set(id, next);
    }
    return states;
  }

  #page6Of(networkId: string): Page | undefined {
    if (this.#pages6.has(networkId)) return this.#pages6.get(networkId);
    const { spec, state } = this.#networks.get(networkId) ?? {};
    const page =
      spec === undefined || state?.v6 === undefined
        ? undefined
        : {
            name: spec.name,
            range: new AddressRange6(state.v6, ipamOf(spec, 6)),
            cursor: state.v6.cursor,
          };
    this.#pages6.set(networkId, page);
    return page;
  }

  #pageOf(networkId: string): Page | undefined {
    if (this.#pages.has(networkId)) return this.#pages.get(networkId);
    const network = this.#networks.get(networkId);
    const page =
      network?.state === undefined
        ? undefined
        : {
            name: network.spec.name,
            range: new AddressRange(network.state, network.spec),
            cursor: network.state.cursor,
          };
    this.#pages.set(networkId, page);
    return page;
  }
}

function withCursors(
  state: NetworkState,
  cursor: string | undefined,
  cursor6: string | undefined,
): NetworkState {
  return {
    ...state,
    ...(cursor !== undefined && { cursor }),
    ...(state.v6 !== undefined && cursor6 !== undefined && { v6: { ...state.v6, cursor: cursor6 } }),
  };
}
