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
import type { Family } from "./side.ts";

/** fd00::/8: local addresses that anybody may take, followed by a global id of 40 bits (RFC 4193). */
const LOCAL = 0xfdn << 120n;
const GLOBAL_ID_BITS = 40;
const POOL_BITS = 48;
const SUBNET_BITS = 64;

/** IPv6, cut from the cluster's own block. */
export function localFamily(clusterId: string): Family<Cidr6> {
  const pool = localPool(clusterId);
  return {
    number: 6,
    ...{ parse: parseCidr6, overlaps: overlaps6, format: formatCidr6 },
    next: (taken) => nextSubnet(pool, taken),
    lack: `no free IPv6 subnet is left in ${formatCidr6(pool)}`,
    routerOf: ({ base }) => formatIpv6(base + 1n),
    plain: (text) =>
      text.includes("/") ? formatCidr6(requireCidr6(text)) : formatIpv6(parseIpv6(text) ?? 0n),
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
function nextSubnet(pool: Cidr6, taken: readonly Cidr6[]): Cidr6 | undefined {
  const end = pool.base + sizeOf6(pool);
  for (let base = pool.base; base < end; ) {
    const cut: Cidr6 = { base, bits: SUBNET_BITS };
    const clash = taken.find((other) => overlaps6(other, cut));
    if (clash === undefined) return cut;
    // A block that is larger than a cut ends where a cut begins.
    base = clash.bits < SUBNET_BITS ? clash.base + sizeOf6(clash) : base + sizeOf6(cut);
  }
  return undefined;
}
