import { type Cidr, contains, formatIpv4, type Ipv4, parseIpv4, requireCidr, sizeOf } from "../lib/index.ts";
import type { IpamConfig, SubnetState } from "../model/index.ts";

/**
 * The addresses of one subnet that may be given. Next-fit: the search goes on after the one given last, so an address
 * just released is given again as late as possible, and stale caches elsewhere do not meet its new owner (libnetwork's
 * serial allocation).
 */
export class AddressRange {
  readonly #range: Cidr;
  /** Nobody gets these: the subnet's first and last address, the gateway, auxiliary ones. */
  readonly #reserved: ReadonlySet<Ipv4>;

  constructor(state: SubnetState, asked: IpamConfig | undefined) {
    const whole = requireCidr(state.subnet);
    this.#range = requireCidr(state.ipRange ?? state.subnet);
    const words = [state.gateway, ...Object.values(asked?.auxAddresses ?? {})];
    const named = words.map(parseIpv4).filter((address) => address !== undefined);
    const reserved = [whole.base, whole.base + sizeOf(whole) - 1, ...named];
    this.#reserved = new Set(reserved.filter((address) => contains(this.#range, address)));
  }

  /** How many may be given in all. */
  get size(): number {
    return sizeOf(this.#range) - this.#reserved.size;
  }

  /** How many nobody may have. */
  get reserved(): number {
    return this.#reserved.size;
  }

  /** Whether somebody may have it. */
  has(text: string): boolean {
    const address = parseIpv4(text);
    return address !== undefined && contains(this.#range, address) && !this.#reserved.has(address);
  }

  /** The first address after this one that is not held; undefined when all are. */
  next(after: string | undefined, isHeld: (address: string) => boolean): string | undefined {
    const from = after === undefined ? undefined : parseIpv4(after);
    const start = from !== undefined && contains(this.#range, from) ? from - this.#range.base : 0;
    const count = sizeOf(this.#range);
    for (let step = 1; step <= count; step++) {
      const address = this.#range.base + ((start + step) % count);
      const text = formatIpv4(address);
      if (!this.#reserved.has(address) && !isHeld(text)) return text;
    }
    return undefined;
  }
}
