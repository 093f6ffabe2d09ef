import { Fault, formatIpv4, parseIpv4, requireCidr, sizeOf } from "../lib/index.ts";

/** Addresses below this offset are the node's own: the bridge, the ingress leg. */
const FIRST_OFFSET = 16;

/** Addresses on the node's gateway bridge, one per task; the node's own business, so no manager is asked. */
export class GatewayAddresses {
  readonly #first: number;
  readonly #count: number;
  readonly #held = new Map<string, number>();
  #next = 0;

  constructor(subnet: string) {
    const block = requireCidr(subnet);
    this.#first = block.base + FIRST_OFFSET;
    this.#count = sizeOf(block) - FIRST_OFFSET - 1;
  }

  /** The task's address: the one it has, or a free one (next-fit). Fault "unavailable" when none is left. */
  give(taskId: string): string {
    const held = this.#held.get(taskId);
    if (held !== undefined) return formatIpv4(held);
    const taken = new Set(this.#held.values());
    for (let i = 0; i < this.#count; i++) {
      const address = this.#first + ((this.#next + i) % this.#count);
      if (taken.has(address)) continue;
      this.#next = address - this.#first + 1;
      this.#held.set(taskId, address);
      return formatIpv4(address);
    }
    throw new Fault("unavailable", "cannot attach task: the gateway bridge has no free address");
  }

  /** A task that already runs with this address. */
  adopt(taskId: string, address: string): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined) this.#held.set(taskId, parsed);
  }

  release(taskId: string): void {
    this.#held.delete(taskId);
  }
}
