import { type Cidr, formatCidr, formatIpv4, overlaps, parseCidr, requireCidr, sizeOf } from "../lib/index.ts";
import {
  FIRST_VNI,
  ipamOf,
  LAST_VNI,
  type Network,
  type NetworkSpec,
  type NetworkState,
  type OwnSubnet,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { grantSide6 } from "./subnets6.ts";

/** A network's state, or the sentence why it cannot have one now. */
export type NetworkGrant = { readonly state: NetworkState } | { readonly error: string };

/** Cuts a subnet (or takes the one asked for) and a VNI for a network. `nodes`: what nodes use by themselves. */
export function grantNetwork(
  view: View,
  spec: NetworkSpec,
  others: readonly Network[],
  nodes: readonly OwnSubnet[] = [],
): NetworkGrant {
  const taken = [
    ...others.flatMap(({ spec: { name }, state }) => (state ? [{ name, subnet: state.subnet }] : [])),
    ...nodes,
  ].map(({ name, subnet }) => ({ name, cidr: requireCidr(subnet) }));
  const asked = ipamOf(spec, 4);
  const subnet = asked?.subnet === undefined ? nextSubnet(view, taken) : parseCidr(asked.subnet);
  if (subnet === undefined) return { error: "no free subnet is left in the default address pools" };
  const clash = taken.find((t) => overlaps(t.cidr, subnet));
  if (clash !== undefined)
    return { error: `subnet ${formatCidr(subnet)} overlaps with network ${clash.name}` };
  const vni = nextVni(others);
  if (vni === undefined) return { error: "no free VNI is left" };
  const six = spec.ipv6 ? grantSide6(view.cluster()?.id ?? "", ipamOf(spec, 6), others) : undefined;
  if (six !== undefined && "error" in six) return six;
  return {
    state: {
      subnet: formatCidr(subnet),
      gateway: asked?.gateway ?? formatIpv4(subnet.base + 1),
      ...(asked?.ipRange !== undefined && { ipRange: asked.ipRange }),
      vni,
      ...six,
    },
  };
}

/** The first cut of the pools that overlaps nobody. Runs over cuts in order, jumping over whole taken blocks. */
function nextSubnet(view: View, taken: readonly { cidr: Cidr }[]): Cidr | undefined {
  const cluster = view.cluster();
  if (cluster === undefined) return undefined;
  for (const pool of cluster.addressPools.map(requireCidr)) {
    const end = pool.base + sizeOf(pool);
    const step = 2 ** (32 - cluster.subnetSize);
    for (let base = pool.base; base < end; ) {
      const cut: Cidr = { base, bits: cluster.subnetSize };
      const clash = taken.find((t) => overlaps(t.cidr, cut));
      if (clash === undefined) return cut;
      base = Math.max(base + step, clash.cidr.base + sizeOf(clash.cidr));
    }
  }
  return undefined;
}

/** One above the highest in use; the lowest free one once the top is reached. */
function nextVni(others: readonly Network[]): number | undefined {
  const used = new Set(others.flatMap((n) => (n.state ? [n.state.vni] : [])));
  const above = Math.max(FIRST_VNI - 1, ...used) + 1;
  if (above <= LAST_VNI) return above;
  for (let vni = FIRST_VNI; vni <= LAST_VNI; vni++) if (!used.has(vni)) return vni;
  return undefined;
}
