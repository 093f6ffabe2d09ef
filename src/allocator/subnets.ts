import { type Cidr, formatCidr, formatIpv4, overlaps, parseCidr, requireCidr, sizeOf } from "../lib/index.ts";
import {
  FIRST_VNI,
  LAST_VNI,
  type Network,
  type NetworkSpec,
  type NetworkState,
  type OwnSubnet,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { type Family, grantSide, ownedBy } from "./side.ts";
import { localFamily } from "./subnets6.ts";

/** A network's state, or the sentence why it cannot have one now. */
export type NetworkGrant = { readonly state: NetworkState } | { readonly error: string };

/** Cuts subnets (or takes those asked for) and a VNI for a network. `nodes`: what nodes use by themselves. */
export function grantNetwork(
  view: View,
  spec: NetworkSpec,
  others: readonly Network[],
  nodes: readonly OwnSubnet[] = [],
): NetworkGrant {
  const taken = others.flatMap(({ spec: { name }, state }) => ownedBy(name, state));
  const four = grantSide(pooledFamily(view), spec, [...taken, ...nodes]);
  if ("error" in four) return four;
  const vni = nextVni(others);
  if (vni === undefined) return { error: "no free VNI is left" };
  if (!spec.ipv6) return { state: { ...four, vni } };
  const taken6 = others.flatMap(({ spec: { name }, state }) => ownedBy(name, state?.v6));
  const v6 = grantSide(localFamily(view.cluster()?.id ?? ""), spec, taken6);
  return "error" in v6 ? v6 : { state: { ...four, vni, v6 } };
}

/** IPv4, cut from the cluster's pools. */
function pooledFamily(view: View): Family<Cidr> {
  return {
    number: 4,
    ...{ parse: parseCidr, overlaps, format: formatCidr },
    next: (taken) => nextSubnet(view, taken),
    lack: "no free subnet is left in the default address pools",
    routerOf: ({ base }) => formatIpv4(base + 1),
    plain: (text) => text,
  };
}

/** The first cut of the pools that overlaps nobody. Runs over cuts in order, jumping over whole taken blocks. */
function nextSubnet(view: View, taken: readonly Cidr[]): Cidr | undefined {
  const cluster = view.cluster();
  if (cluster === undefined) return undefined;
  for (const pool of cluster.addressPools.map(requireCidr)) {
    const end = pool.base + sizeOf(pool);
    const step = 2 ** (32 - cluster.subnetSize);
    for (let base = pool.base; base < end; ) {
      const cut: Cidr = { base, bits: cluster.subnetSize };
      const clash = taken.find((other) => overlaps(other, cut));
      if (clash === undefined) return cut;
      base = Math.max(base + step, clash.base + sizeOf(clash));
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
