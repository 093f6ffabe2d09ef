import { type Cidr, formatIpv4, type Ipv4, parseIpv4, requireCidr, sizeOf } from "../lib/index.ts";

/**
 * The addresses of one subnet: which are taken, and the next one to give. Next-fit: an address just released is given
 * again as late as possible, so that stale caches elsewhere do not meet its new owner (libnetwork's serial allocation).
 */
export class AddressPool {
  readonly #range: Cidr;
  readonly #taken = new Set<Ipv4>();
  #cursor: Ipv4;

  /** `range` limits what is given (ip-range); the subnet's first and last address are never given. */
  constructor(subnet: string, range: string = subnet) {
    const whole = requireCidr(subnet);
    this.#range = requireCidr(range);
    this.#cursor = this.#range.base;
    this.#taken.add(whole.base).add(whole.base + sizeOf(whole) - 1);
  }

  take(address: string): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined) this.#taken.add(parsed);
  }

  /** Goes on after this address at the next `give`. */
  continueAfter(address: string): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined && parsed >= this.#range.base && parsed < this.#end) this.#cursor = parsed;
  }

  /** A free address, now taken; undefined when there is none. */
  give(): string | undefined {
    const size = sizeOf(this.#range);
    for (let i = 1; i <= size; i++) {
      const candidate = this.#range.base + ((this.#cursor - this.#range.base + i) % size);
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      this.#cursor = candidate;
      return formatIpv4(candidate);
    }
    return undefined;
  }

  get #end(): Ipv4 {
    return this.#range.base + sizeOf(this.#range);
  }
}
