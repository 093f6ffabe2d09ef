import { Fault, formatIpv4, parseIpv4, requireCidr, sizeOf } from "../lib/index.ts";

/** Addresses below this offset are the node's own: the bridge, the ingress leg. */
const FIRST_OFFSET = 16;

/** Whose sandbox it is: a task's, or that of a container made by hand. */
export type Owner = "task" | "container";

/** Addresses on the node's gateway bridge, one per sandbox; the node's own business, so no manager is asked. */
export class GatewayAddresses {
  readonly #first: number;
  readonly #count: number;
  readonly #held = new Map<string, { readonly owner: Owner; readonly address: number }>();
  #next = 0;

  constructor(subnet: string) {
    const block = requireCidr(subnet);
    this.#first = block.base + FIRST_OFFSET;
    this.#count = sizeOf(block) - FIRST_OFFSET - 1;
  }

  /** The sandbox's address: the one it has, or a free one (next-fit). Fault "unavailable" when none is left. */
  give(id: string, owner: Owner = "task"): string {
    const held = this.#held.get(id);
    if (held !== undefined) return formatIpv4(held.address);
    const taken = new Set([...this.#held.values()].map(({ address }) => address));
    for (let i = 0; i < this.#count; i++) {
      const address = this.#first + ((this.#next + i) % this.#count);
      if (taken.has(address)) continue;
      this.#next = address - this.#first + 1;
      this.#held.set(id, { owner, address });
      return formatIpv4(address);
    }
    throw new Fault("unavailable", `cannot attach ${owner}: the gateway bridge has no free address`);
  }

  /** A sandbox that is there already, with this address. */
  adopt(id: string, address: string, owner: Owner = "task"): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined) this.#held.set(id, { owner, address: parsed });
  }

  release(id: string): void {
    this.#held.delete(id);
  }

  /** Forgets what one owner holds: it begins anew, and says what is still there. */
  startOver(owner: Owner): void {
    for (const [id, held] of this.#held) if (held.owner === owner) this.#held.delete(id);
  }
}
