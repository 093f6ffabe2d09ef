import { type Cidr, contains, parseIpv4 } from "../lib/index.ts";

/** The names of one network. Names are lowercase and without a final dot. */
export interface NetworkNames {
  /** The network's own name: `vote.front` asks for `vote` on `front`. */
  readonly name: string;
  readonly subnet: Cidr | undefined;
  /** Name to addresses: one VIP, or the addresses of tasks. Empty for a name that has none just now. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Address to the name that a reverse question is answered with. */
  readonly names: ReadonlyMap<string, string>;
}

/** All that one asker may know of the swarm's names. */
export interface Zone {
  /** The asker's networks, in the order in which they are asked. */
  readonly networks: readonly NetworkNames[];
  /** Whether other names may be asked of the outside. */
  readonly forwards: boolean;
  /** Whom, when the asker has words of its own on that. */
  readonly upstreams?: readonly string[];
}

/** A name as it is compared: lowercase (RFC 4343), without the final dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/**
 * The addresses of a name, on the first network that has any; none when the name is known and has none. Undefined when the zone does
 * not know it. A name with a network's own behind it is looked for on that network, after the whole name on all of them.
 */
export function addressesOf(zone: Zone, asked: string): readonly string[] | undefined {
  const name = plainName(asked);
  const found = zone.networks.flatMap(({ addresses }) => [addresses.get(name) ?? []]);
  const whole = found.find((addresses) => addresses.length > 0);
  if (whole !== undefined) return whole;
  if (zone.networks.some(({ addresses }) => addresses.has(name))) return [];
  const dot = name.lastIndexOf(".");
  if (dot === -1) return undefined;
  const network = zone.networks.find((n) => n.name === name.slice(dot + 1));
  return network?.addresses.get(name.slice(0, dot));
}

/**
 * The names of an address that a reverse question asks for; none for an address of the asker's networks that nobody has.
 * Undefined when it is not the zone's to answer.
 */
export function namesOf(zone: Zone, asked: string): readonly string[] | undefined {
  const address = reverseAddress(asked);
  const number = address === undefined ? undefined : parseIpv4(address);
  if (address === undefined || number === undefined) return undefined;
  const own = zone.networks.filter(({ subnet }) => subnet !== undefined && contains(subnet, number));
  if (own.length === 0) return undefined;
  return own.flatMap(({ names }) => names.get(address) ?? []).slice(0, 1);
}

const REVERSE_REGEXP = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;

/** "5.1.0.10.in-addr.arpa" to "10.0.1.5" (RFC 1035, 3.5); undefined for any other name. */
function reverseAddress(name: string): string | undefined {
  return REVERSE_REGEXP.exec(plainName(name))?.slice(1).reverse().join(".");
}
