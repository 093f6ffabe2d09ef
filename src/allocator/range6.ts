import {
  type Cidr6,
  contains6,
  formatIpv6,
  type Ipv6,
  parseIpv6,
  requireCidr6,
  sizeOf6,
} from "../lib/index.ts";
import type { IpamConfig, SubnetState } from "../model/index.ts";

/** The IPv6 addresses of one subnet that may be given, by turns as `AddressRange` gives those of IPv4. */
export class AddressRange6 {
  readonly #range: Cidr6;
  /** Nobody gets these: the subnet's first address (its routers', RFC 4291 2.6.1), the gateway, auxiliary ones. */
  readonly #reserved: ReadonlySet<Ipv6>;

  constructor(state: SubnetState, asked: IpamConfig | undefined) {
    this.#range = requireCidr6(state.ipRange ?? state.subnet);
    const words = [state.gateway, ...Object.values(asked?.auxAddresses ?? {})];
    const named = words.map(parseIpv6).filter((address) => address !== undefined);
    const reserved = [requireCidr6(state.subnet).base, ...named];
    this.#reserved = new Set(reserved.filter((address) => contains6(this.#range, address)));
  }

  /** How many may be given in all; about as many, when there are more than numbers are exact for. */
  get size(): number {
    return Number(sizeOf6(this.#range) - BigInt(this.#reserved.size));
  }

  /** How many nobody may have. */
  get reserved(): number {
    return this.#reserved.size;
  }

  /** Whether somebody may have it. */
  has(text: string): boolean {
    const address = parseIpv6(text);
    return address !== undefined && contains6(this.#range, address) && !this.#reserved.has(address);
  }

  /** The first address after this one that is not held; undefined when all are. */
  next(after: string | undefined, isHeld: (address: string) => boolean): string | undefined {
    const from = after === undefined ? undefined : parseIpv6(after);
    const start = from !== undefined && contains6(this.#range, from) ? from - this.#range.base : 0n;
    const count = sizeOf6(this.#range);
    for (let step = 1n; step <= count; step++) {
      const address = this.#range.base + ((start + step) % count);
      const text = formatIpv6(address);
      if (!this.#reserved.has(address) && !isHeld(text)) return text;
    }
    return undefined;
  }
}
