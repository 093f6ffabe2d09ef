import { type Cidr, contains, formatIpv4, type Ipv4, parseIpv4, requireCidr, sizeOf } from "../lib/index.ts";

/**
 * The addresses of one subnet: which are taken, and the next one to give. Next-fit: an address just released is given
 * again as late as possible, so that stale caches elsewhere do not meet its new owner (libnetwork's serial allocation).
 */
export class AddressPool {
  readonly #range: Cidr;
  readonly #taken = new Set<Ipv4>();
  #free: number;
  #cursor: Ipv4;

  /** `range` limits what is given (ip-range); the subnet's first and last address are never given. */
  constructor(subnet: string, range: string = subnet) {
    const whole = requireCidr(subnet);
    this.#range = requireCidr(range);
    this.#free = sizeOf(this.#range);
    this.#cursor = this.#range.base;
    this.#take(whole.base);
    this.#take(whole.base + sizeOf(whole) - 1);
  }

  /** How many addresses are left to give. */
  get free(): number {
    return this.#free;
  }

  take(address: string): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined) this.#take(parsed);
  }

  /** Goes on after this address at the next `give`. */
  continueAfter(address: string): void {
    const parsed = parseIpv4(address);
    if (parsed !== undefined && contains(this.#range, parsed)) this.#cursor = parsed;
  }

  /** A free address, now taken; undefined when there is none. */
  give(): string | undefined {
    if (this.#free === 0) return undefined;
    do this.#cursor = this.#range.base + ((this.#cursor - this.#range.base + 1) % sizeOf(this.#range));
    while (this.#taken.has(this.#cursor));
    this.#take(this.#cursor);
    return formatIpv4(this.#cursor);
  }

  #take(address: Ipv4): void {
    if (contains(this.#range, address) && !this.#taken.has(address)) this.#free -= 1;
    this.#taken.add(address);
  }
}
