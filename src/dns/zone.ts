import { formatIpv6, isWithin, parseIpv4 } from "../lib/index.ts";

/** The names of one network. Names are lowercase and without a final dot. */
export interface NetworkNames {
  /** The network's own name: `vote.front` asks for `vote` on `front`. */
  readonly name: string;
  /** Those of both families. */
  readonly subnets: readonly string[];
  /** Name to addresses: one VIP, or the addresses of tasks. Empty for a name that has none just now. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** The same for IPv6, of names that have any: whoever is here is in `addresses` as well. Absent on a network of IPv4 alone. */
  readonly addresses6?: ReadonlyMap<string, readonly string[]>;
  /** Address, of either kind, to the name that a reverse question is answered with. */
  readonly names: ReadonlyMap<string, string>;
  readonly standing?: Standing;
}

/** Who stands behind the names of services on one network: ids of services, by name. */
export interface Standing {
  /** Their tasks take traffic here. */
  readonly serving: ReadonlyMap<string, readonly string[]>;
  /** They have a VIP here, and nobody behind it just now. */
  readonly idle: ReadonlyMap<string, readonly string[]>;
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
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/**
 * The addresses of a name in one family, on the first network that has any, or on another one while nobody of the service is there yet; none
 * when the name is known and has none. Undefined when the zone does not know it. A name with a network's own behind it is looked for on that
 * network, after the whole name on all of them.
 */
export function addressesOf(
  zone: Zone,
  asked: string,
  family: "A" | "AAAA" = "A",
): readonly string[] | undefined {
  const name = plainName(asked);
  const on = zone.networks.filter(({ addresses }) => addresses.has(name));
  if (on.length > 0) return firstOf(on, name, family);
  const dot = name.lastIndexOf(".");
  if (dot === -1) return undefined;
  const host = name.slice(0, dot);
  const network = zone.networks.find((n) => n.name === name.slice(dot + 1));
  return network?.addresses.has(host) ? firstOf([network], host, family) : undefined;
}

function firstOf(networks: readonly NetworkNames[], name: string, family: "A" | "AAAA"): readonly string[] {
  const on = ({ addresses, addresses6 }: NetworkNames) =>
    (family === "A" ? addresses : addresses6)?.get(name) ?? [];
  const first = networks.find((network) => on(network).length > 0);
  if (first === undefined) return [];
  return on((networks.length > 1 && servedInstead(networks, first, name)) || first);
}

/**
 * A service that an update puts on another network has a VIP there from the start, and its first task later: until then, where its tasks
 * are. Never another service that has the name there.
 */
function servedInstead(
  networks: readonly NetworkNames[],
  first: NetworkNames,
  name: string,
): NetworkNames | undefined {
  const idle = first.standing?.idle.get(name) ?? [];
  return networks.find(({ standing }) => standing?.serving.get(name)?.some((id) => idle.includes(id)));
}

/**
 * The names of an address that a reverse question asks for; none for an address of the asker's networks that nobody has.
 * Undefined when it is not the zone's to answer.
 */
export function namesOf(zone: Zone, asked: string): readonly string[] | undefined {
  const name = plainName(asked);
  if (!name.endsWith(".arpa")) return undefined;
  const address = reverseAddress(name) ?? reverseAddress6(name);
  if (address === undefined) return undefined;
  const own = zone.networks.filter(({ subnets }) => subnets.some((subnet) => isWithin(address, subnet)));
  if (own.length === 0) return undefined;
  return own.flatMap(({ names }) => names.get(address) ?? []).slice(0, 1);
}

const REVERSE_REGEXP = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;
const REVERSE6_REGEXP = /^((?:[0-9a-f]\.){32})ip6\.arpa$/;

/** "5.1.0.10.in-addr.arpa" to "10.0.1.5" (RFC 1035, 3.5); undefined for any other name. */
function reverseAddress(name: string): string | undefined {
  const text = REVERSE_REGEXP.exec(name)?.slice(1).reverse().join(".");
  return text !== undefined && parseIpv4(text) !== undefined ? text : undefined;
}

/** 32 nibbles and "ip6.arpa" to "fd00:1::5", as RFC 5952 writes it (RFC 3596, 2.5); undefined for any other name. */
function reverseAddress6(name: string): string | undefined {
  const nibbles = REVERSE6_REGEXP.exec(name)?.[1]?.replaceAll(".", "");
  return nibbles === undefined ? undefined : formatIpv6(BigInt(`0x${[...nibbles].reverse().join("")}`));
}
