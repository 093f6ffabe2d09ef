import {
  type Cidr6,
  formatCidr6,
  formatIpv6,
  overlaps6,
  parseCidr6,
  parseIpv6,
  requireCidr6,
  sizeOf6,
} from "../lib/index.ts";
import type { IpamConfig, Network, NetworkState6 } from "../model/index.ts";

/** fd00::/8: local addresses that anybody may take, followed by a global id of 40 bits (RFC 4193). */
const LOCAL = 0xfdn << 120n;
const GLOBAL_ID_BITS = 40;
const POOL_BITS = 48;
const SUBNET_BITS = 64;

/** A network's IPv6 side: the subnet asked for, or one of the cluster's own; or the sentence why it cannot have it. */
export function grantSide6(
  clusterId: string,
  asked: IpamConfig | undefined,
  others: readonly Network[],
): { readonly v6: NetworkState6 } | { readonly error: string } {
  const taken = others.flatMap(({ spec, state }) =>
    state?.v6 === undefined ? [] : [{ name: spec.name, cidr: requireCidr6(state.v6.subnet) }],
  );
  const pool = localPool(clusterId);
  const subnet = asked?.subnet === undefined ? nextSubnet(pool, taken) : parseCidr6(asked.subnet);
  if (subnet === undefined) return { error: `no free IPv6 subnet is left in ${formatCidr6(pool)}` };
  const clash = taken.find((other) => overlaps6(other.cidr, subnet));
  if (clash !== undefined)
    return { error: `subnet ${formatCidr6(subnet)} overlaps with network ${clash.name}` };
  const gateway = asked?.gateway === undefined ? undefined : parseIpv6(asked.gateway);
  const range = asked?.ipRange === undefined ? undefined : parseCidr6(asked.ipRange);
  return {
    v6: {
      subnet: formatCidr6(subnet),
      gateway: formatIpv6(gateway ?? subnet.base + 1n),
      ...(range !== undefined && { ipRange: formatCidr6(range) }),
    },
  };
}

/** The cluster's own /48: its global id is the end of the cluster's id, which was drawn by chance as RFC 4193 wants it. */
export function localPool(clusterId: string): Cidr6 {
  const digits = [...clusterId].map((letter) => BigInt(Number.parseInt(letter, 36) || 0));
  const id = BigInt.asUintN(
    GLOBAL_ID_BITS,
    digits.reduce((value, digit) => value * 36n + digit, 0n),
  );
  return { base: LOCAL + (id << 80n), bits: POOL_BITS };
}

/** The first cut of the pool that overlaps nobody. */
function nextSubnet(pool: Cidr6, taken: readonly { readonly cidr: Cidr6 }[]): Cidr6 | undefined {
  const end = pool.base + sizeOf6(pool);
  for (let base = pool.base; base < end; ) {
    const cut: Cidr6 = { base, bits: SUBNET_BITS };
    const clash = taken.find((other) => overlaps6(other.cidr, cut));
    if (clash === undefined) return cut;
    // A block that is larger than a cut ends where a cut begins.
    base = clash.cidr.bits < SUBNET_BITS ? clash.cidr.base + sizeOf6(clash.cidr) : base + sizeOf6(cut);
  }
  return undefined;
}
