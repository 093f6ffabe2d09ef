/** All that one asker may know of the swarm's names. Names are lowercase and without a final dot. */
export interface Zone {
  /** Name to addresses: one VIP, or the addresses of tasks. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Address to the name that a reverse question is answered with. */
  readonly reverse: ReadonlyMap<string, string>;
  /** Whether other names may be asked of the outside. */
  readonly forwards: boolean;
}

/** A name as it is compared: lowercase (RFC 4343), without the final dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

const REVERSE_REGEXP = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;

/** "5.1.0.10.in-addr.arpa" to "10.0.1.5" (RFC 1035, 3.5); undefined for any other name. */
export function reverseAddress(name: string): string | undefined {
  return REVERSE_REGEXP.exec(plainName(name))?.slice(1).reverse().join(".");
}
