import { LEAST_MTU6, RESERVED_BLOCKS } from "../dataplane/index.ts";
import {
  Fault,
  formatCidr,
  formatCidr6,
  formatIpv4,
  formatIpv6,
  type Instant,
  isIpv6,
  isWithin,
  overlaps,
  overlaps6,
  parseCidr,
  parseCidr6,
} from "../lib/index.ts";
import { type BridgeSpec, type IpamConfig, ipamOf } from "../model/index.ts";

/** A bridge network of this node, with what was handed out to it. */
export interface BridgeNetwork {
  readonly id: string;
  readonly createdAt: Instant;
  readonly spec: BridgeSpec;
  readonly subnet: string;
  readonly gateway: string;
  readonly v6?: { readonly subnet: string; readonly gateway: string };
}

/** What somebody else has already. */
export interface Taken {
  /** Subnets of this node's own networks: nobody can have them. */
  readonly networks: readonly string[];
  /** Where the node's own routes lead, and the cluster's networks: what nobody asked for stays clear of them. */
  readonly elsewhere: readonly string[];
}

/** Docker's pools for bridges (moby libnetwork/ipamutils): /16s of 172.17 to 172.31, then /20s of 192.168. */
const POOLS: readonly string[] = [
  ...Array.from({ length: 15 }, (_, i) => `172.${17 + i}.0.0/16`),
  ...Array.from({ length: 16 }, (_, i) => `192.168.${16 * i}.0/20`),
];

/** A bridge network needs the network's address, a gateway, a container and, in IPv4, the broadcast address. */
const LEAST_BITS = 30;
const LEAST_BITS6 = 126;

const MTU_OPTION = "com.docker.network.driver.mtu";

/** Undefined when the user said none. */
export function mtuOf({ options }: BridgeSpec): number | undefined {
  const said = options[MTU_OPTION];
  return said === undefined ? undefined : Number(said);
}

/**
 * The network with its subnets and gateways, as asked for or chosen. Faults in Docker's words: "forbidden" for a subnet that another
 * network of the node has, "unavailable" when none is left, "invalid" for what does not fit together.
 */
export function planBridge(
  spec: BridgeSpec,
  { id, createdAt, taken }: { readonly id: string; readonly createdAt: Instant; readonly taken: Taken },
): BridgeNetwork {
  const [four] = ipamOf(spec, 4);
  const [six] = ipamOf(spec, 6);
  const subnet = four?.subnet === undefined ? freeSubnet(taken) : formatCidr(requireSubnet(four.subnet));
  const v6 = spec.ipv6 ? sideOf6(six, taken) : undefined;
  const mtu = mtuOf(spec) ?? LEAST_MTU6;
  if (spec.ipv6 && mtu < LEAST_MTU6)
    throw new Fault("invalid", `invalid value for ${MTU_OPTION}: ${mtu}: IPv6 needs ${LEAST_MTU6}`);
  checkFree(subnet, taken.networks);
  return {
    ...{ id, createdAt, spec, subnet },
    gateway: gatewayOf(subnet, four),
    ...(v6 !== undefined && { v6 }),
  };
}

/** A subnet that nothing else on this node has. */
function freeSubnet({ networks, elsewhere }: Taken): string {
  const busy = [...networks, ...elsewhere].flatMap((subnet) => parseCidr(subnet) ?? []);
  const free = POOLS.find((pool) => {
    const cidr = parseCidr(pool);
    return cidr !== undefined && !busy.some((other) => overlaps(cidr, other));
  });
  if (free === undefined)
    throw new Fault("unavailable", "all predefined address pools have been fully subnetted");
  return free;
}

function sideOf6(asked: IpamConfig | undefined, { networks }: Taken): BridgeNetwork["v6"] {
  if (asked?.subnet === undefined)
    throw new Fault("invalid", "cannot use --ipv6: say --subnet with an IPv6 subnet for a bridge network");
  const cidr = parseCidr6(asked.subnet);
  if (cidr === undefined) throw new Fault("invalid", `invalid subnet ${asked.subnet}: invalid CIDR`);
  checkRoom(asked.subnet, cidr.bits, LEAST_BITS6);
  const subnet = formatCidr6(cidr);
  checkFree(subnet, networks);
  return { subnet, gateway: gatewayOf(subnet, asked) };
}

function requireSubnet(text: string): NonNullable<ReturnType<typeof parseCidr>> {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Fault("invalid", `invalid subnet ${text}: invalid CIDR`);
  checkRoom(text, cidr.bits, LEAST_BITS);
  return cidr;
}

function checkRoom(subnet: string, bits: number, most: number): void {
  if (bits > most) throw new Fault("invalid", `cannot use subnet ${subnet}: it has no room for containers`);
}

/** The gateway asked for, or the subnet's first address; everything asked for lies in the subnet. */
function gatewayOf(subnet: string, asked: IpamConfig | undefined): string {
  const [range, gateway] = [asked?.ipRange, asked?.gateway];
  if (range !== undefined && !isWithin(range.split("/")[0] ?? "", subnet))
    throw new Fault("invalid", `no matching subnet for range ${range}`);
  for (const address of [
    ...(gateway === undefined ? [] : [gateway]),
    ...Object.values(asked?.auxAddresses ?? {}),
  ])
    if (!isWithin(address, subnet)) throw new Fault("invalid", `no matching subnet for gateway ${address}`);
  if (gateway !== undefined) return gateway;
  const six = parseCidr6(subnet);
  return isIpv6(subnet) && six !== undefined
    ? formatIpv6(six.base + 1n)
    : formatIpv4((parseCidr(subnet)?.base ?? 0) + 1);
}

function checkFree(subnet: string, others: readonly string[]): void {
  const [four, six] = [parseCidr(subnet), parseCidr6(subnet)];
  const isTaken = [...RESERVED_BLOCKS, ...others].some((other) => {
    const [four2, six2] = [parseCidr(other), parseCidr6(other)];
    if (four !== undefined && four2 !== undefined) return overlaps(four, four2);
    return six !== undefined && six2 !== undefined && overlaps6(six, six2);
  });
  if (isTaken) throw new Fault("forbidden", "Pool overlaps with other one on this address space");
}
