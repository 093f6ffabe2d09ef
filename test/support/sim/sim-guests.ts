import { createHash } from "node:crypto";
import { type Clock, type Log, messageOf } from "../../../src/lib/index.ts";
import type { GuestWish } from "../../../src/model/index.ts";
import { GuestDesk } from "../../../src/network/index.ts";

/** A container made by hand that runs, with its place on one overlay. */
interface Handmade {
  readonly id: string;
  readonly name: string;
  readonly networkId: string;
  address: string | undefined;
}

/** What an engine keeps of one machine's containers made by hand: they outlive agents, and end with the machine's power. */
export class SimGuests {
  readonly #host: string;
  readonly #all = new Map<string, Handmade>();
  #desk: GuestDesk | undefined;
  #count = 0;

  constructor(host: string) {
    this.#host = host;
  }

  /** The desk of a new process: what runs keeps what it has. */
  newDesk(parts: { readonly clock: Clock; readonly log: Log }): GuestDesk {
    const desk = new GuestDesk(parts);
    for (const { id, name, networkId, address } of this.#all.values())
      if (address !== undefined) desk.adopt({ id, name }, { ref: networkId, aliases: [], used: { address } });
      else this.#all.delete(name);
    desk.onLost = (id) => this.#forget(id);
    this.#desk = desk;
    return desk;
  }

  /** `docker run`: it runs once it has its place, and not at all when it gets none. `signal` ends with the process. */
  async run(name: string, networkId: string, signal: AbortSignal): Promise<string | undefined> {
    const desk = this.#desk;
    if (desk === undefined || this.#all.has(name)) return undefined;
    const id = createHash("sha256")
      .update(`${this.#host} ${name} ${++this.#count}`)
      .digest("hex");
    const made: Handmade = { id, name, networkId, address: undefined };
    this.#all.set(name, made);
    try {
      const [place] = await desk.place(wishOf(id, name, networkId), signal);
      made.address = place?.address;
      return undefined;
    } catch (error) {
      this.#forget(id);
      return messageOf(error);
    }
  }

  /** `docker rm -f`. */
  remove(name: string): void {
    const made = this.#all.get(name);
    if (made?.address === undefined) return;
    this.#all.delete(name);
    this.#desk?.leave(made.id);
  }

  /** The machine has lost its power, or left the cluster. */
  end(): void {
    this.#all.clear();
    this.#desk = undefined;
  }

  /** Ids of those that run, with their addresses. */
  get running(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#all.values()].flatMap(({ id, address }) => (address === undefined ? [] : [[id, address]])),
    );
  }

  #forget(id: string): void {
    for (const made of this.#all.values()) if (made.id === id) this.#all.delete(made.name);
  }
}

function wishOf(id: string, name: string, networkId: string): GuestWish {
  return { id, name, networks: [{ ref: networkId, aliases: [] }] };
}
