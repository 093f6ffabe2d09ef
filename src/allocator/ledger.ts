import type { Network, NetworkState } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { BOOKS, type Books } from "./books.ts";
import { AddressRange } from "./range.ts";

interface Page {
  readonly name: string;
  readonly range: AddressRange;
  /** The address given last. */
  cursor: string | undefined;
}

/** One pass's hand over the numbers: what is held (the view's books, and what this pass gave), and what is next. */
export class Ledger {
  readonly books: Books;
  readonly ingress: Network | undefined;
  readonly #pages = new Map<string, Page | undefined>();
  readonly #networks: ReadonlyMap<string, Network>;

  constructor(view: View, networks: ReadonlyMap<string, Network>) {
    this.books = BOOKS.fork(view.derive(BOOKS));
    this.#networks = networks;
    this.ingress = [...networks.values()].find((n) => n.spec.ingress && n.state !== undefined);
  }

  /** A free address of the network for one who holds it from now on; undefined when there is none. */
  give(networkId: string): string | undefined {
    const address = this.next(networkId);
    if (address !== undefined) this.books.hold({ networkId, address }, 1);
    return address;
  }

  /** The address whose turn it is; the next one goes on after it. Whoever takes it enters it into the books. */
  next(networkId: string): string | undefined {
    const page = this.#pageOf(networkId);
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
    const free = page.range.size - this.books.used(networkId);
    return free <= reserve ? `network ${page.name} has no free address` : undefined;
  }

  /** The networks' states that giving has moved on. */
  moved(): Map<string, NetworkState> {
    const states = new Map<string, NetworkState>();
    for (const [id, page] of this.#pages) {
      const state = this.#networks.get(id)?.state;
      if (state === undefined || page?.cursor === undefined || page.cursor === state.cursor) continue;
      states.set(id, { ...state, cursor: page.cursor });
    }
    return states;
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
