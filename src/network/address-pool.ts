import {
  Fault,
  formatIpv4,
  formatIpv6,
  isIpv6,
  parseIpv4,
  parseIpv6,
  requireCidr,
  requireCidr6,
  sizeOf,
  sizeOf6,
} from "../lib/index.ts";

/** A stretch of addresses, ends included. */
interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
}

/** Which addresses of one subnet, of either family, somebody holds. The lowest free one is given first, as Docker does on bridges. */
export class AddressPool {
  readonly #subnet: Stretch;
  readonly #range: Stretch;
  readonly #isSix: boolean;
  /** Nobody gets them: the gateway, and what the user keeps for himself. */
  readonly #reserved: ReadonlySet<bigint>;
  readonly #held = new Map<string, bigint>();

  /** `range`: the part of it that is given from. Faults "invalid" for what is no subnet. */
  constructor(subnet: string, reserved: readonly string[], range: string = subnet) {
    this.#isSix = isIpv6(subnet);
    this.#subnet = usable(blockOf(subnet), this.#isSix);
    this.#range = common(blockOf(range), this.#subnet);
    this.#reserved = new Set(reserved.map((address) => this.#parse(address)));
  }

  /**
   * The owner's address: the one it has, the one it wants, or a free one. Faults in Docker's words (moby libnetwork/ipamapi):
   * "invalid" for one that is none of the subnet's, "conflict" for one that another has, "unavailable" when none is free.
   */
  give(owner: string, wanted?: string): string {
    const held = this.#held.get(owner);
    if (held !== undefined) return this.#format(held);
    const address = wanted === undefined ? this.#lowestFree() : this.#wanted(wanted);
    this.#held.set(owner, address);
    return this.#format(address);
  }

  /** Somebody who has this address already. */
  adopt(owner: string, address: string): void {
    this.#held.set(owner, this.#parse(address));
  }

  release(owner: string): void {
    this.#held.delete(owner);
  }

  get isUnused(): boolean {
    return this.#held.size === 0;
  }

  #wanted(text: string): bigint {
    const address = this.#parse(text);
    if (address < this.#subnet.first || address > this.#subnet.last)
      throw new Fault(
        "invalid",
        `Invalid address ${text}: It does not belong to any of this network's subnets`,
      );
    const isHeld = [...this.#held.values()].includes(address);
    if (isHeld || this.#reserved.has(address)) throw new Fault("conflict", "Address already in use");
    return address;
  }

  #lowestFree(): bigint {
    const taken = new Set([...this.#held.values(), ...this.#reserved]);
    for (let address = this.#range.first; address <= this.#range.last; address++)
      if (!taken.has(address)) return address;
    throw new Fault(
      "unavailable",
      `no available IPv${this.#isSix ? 6 : 4} addresses on this network's address pools`,
    );
  }

  #parse(text: string): bigint {
    const address = this.#isSix ? parseIpv6(text) : parseIpv4(text);
    if (address === undefined) throw new Fault("invalid", `invalid IP address: ${text}`);
    return BigInt(address);
  }

  #format(address: bigint): string {
    return this.#isSix ? formatIpv6(address) : formatIpv4(Number(address));
  }
}

function blockOf(subnet: string): Stretch {
  if (isIpv6(subnet)) {
    const cidr = requireCidr6(subnet);
    return { first: cidr.base, last: cidr.base + sizeOf6(cidr) - 1n };
  }
  const cidr = requireCidr(subnet);
  return { first: BigInt(cidr.base), last: BigInt(cidr.base + sizeOf(cidr) - 1) };
}

/** Without the network's own address, and in IPv4 the broadcast address. */
function usable({ first, last }: Stretch, isSix: boolean): Stretch {
  return { first: first + 1n, last: isSix ? last : last - 1n };
}

function common(a: Stretch, b: Stretch): Stretch {
  const [, first = a.first] = [a.first, b.first].sort(ascending);
  const [last = a.last] = [a.last, b.last].sort(ascending);
  return { first, last };
}

const ascending = (a: bigint, b: bigint): number => Number(a > b) - Number(a < b);
