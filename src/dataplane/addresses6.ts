import { Fault, type Ipv4, parseIpv4, requireCidr, type Subnet } from "../lib/index.ts";
import type { NetworkFact, NodeSettings, SideFact } from "./facts.ts";

/**
 * IPv6 addresses that nobody has to hand out: an IPv4 address in the last 32 bits of a prefix of ours, which is the unique
 * local one whose global id spells "Shoal" (RFC 4193). They are known inside of nodes and of the ingress network only.
 */
const PREFIXES = {
  /** Of the gateway subnet: the host's side of tasks. */
  gateway: "fd53:686f:616c:1",
  /** Of the ingress network, which is told to be IPv4 alone, as Swarm's is. */
  ingress: "fd53:686f:616c:2",
  /** Of nodes on a network's tunnel: the next hop to their tasks. */
  node: "fe80",
} as const;

type Prefix = keyof typeof PREFIXES;

/** All of them but the link-local ones: no network of a user may lie there. */
export const OWN_BLOCK6 = "fd53:686f:616c::/48";

/** No network of a user may lie in these: nobody's addresses, loopback, link-local, multicast and above, and what nodes use inside. */
export const RESERVED_BLOCKS: readonly string[] = [
  ...["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"],
  ...[OWN_BLOCK6, "fe80::/10", "ff00::/8"],
];

const EMBEDDED_BITS = 96;
/** Below it the kernel takes IPv6 off a link (RFC 8200, 5). */
export const LEAST_MTU6 = 1280;

/** Whether IPv6 can be on a link of this MTU, the kernel's 1500 when absent. */
export const fits6 = (mtu: number = LEAST_MTU6): boolean => mtu >= LEAST_MTU6;

/** "fd53:686f:616c:1::ac12:10" of 172.18.0.16. */
export function embed(prefix: Prefix, address: string): string {
  const value = parseIpv4(address);
  if (value === undefined) throw new Fault("invalid", `invalid IP address: ${address}`);
  return twinOf(prefix, value);
}

/** "fd53:686f:616c:1::ac12:0/112" of 172.18.0.0/16. */
export function embedSubnet(prefix: Prefix, subnet: string): string {
  const { base, bits } = requireCidr(subnet);
  return `${twinOf(prefix, base)}/${EMBEDDED_BITS + bits}`;
}

/** The text that `formatIpv6` would make, without a detour by big numbers: a plan has thousands of them. */
function twinOf(prefix: Prefix, value: Ipv4): string {
  const [high, low] = [value >>> 16, value & 0xffff];
  const tail = high === 0 ? [low].filter(Boolean) : [high, low];
  return `${PREFIXES[prefix]}::${tail.map((group) => group.toString(16)).join(":")}`;
}

/** A network's IPv6 side as this node carries it: handed out, or on ingress ours. Undefined when it has none here. */
export function sideOf({ ipv6 = false }: NodeSettings, network: NetworkFact): SideFact | undefined {
  if (!ipv6 || !fits6(network.mtu)) return undefined;
  if (!network.ingress) return network.v6;
  const { more } = network;
  return { ...twinOnIngress(network), ...(more !== undefined && { more: more.map(twinOnIngress) }) };
}

/** What a subnet of the ingress network is over IPv6. */
export function twinOnIngress({ subnet, gateway }: Subnet): Subnet {
  return { subnet: embedSubnet("ingress", subnet), gateway: embed("ingress", gateway) };
}

/** The IPv6 address on a network of whoever the row is about. */
export function address6Of(
  row: {
    readonly addresses: Readonly<Record<string, string>>;
    readonly addresses6?: Readonly<Record<string, string>>;
  },
  network: NetworkFact,
): string | undefined {
  if (!network.ingress) return row.addresses6?.[network.id];
  const address = row.addresses[network.id];
  return address === undefined ? undefined : embed("ingress", address);
}

/** What lets a link have IPv6, with no address but those that are listed. The order counts. */
export function linkSysctls6(links: readonly string[]): Record<string, string> {
  const rows = links.flatMap((link): [string, string][] => [
    [`net.ipv6.conf.${link}.addr_gen_mode`, "1"],
    [`net.ipv6.conf.${link}.disable_ipv6`, "0"],
  ]);
  return Object.fromEntries(rows);
}
