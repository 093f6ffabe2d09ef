import { subnetsOf } from "../lib/index.ts";
import {
  type IpamConfig,
  ipamOf,
  type NetworkSide,
  type NetworkSpec,
  type OwnSubnet,
  type SubnetState,
} from "../model/index.ts";

/** How subnets of one family are read, compared, found and written. */
export interface Family<C> {
  readonly number: 4 | 6;
  parse(text: string): C | undefined;
  overlaps(a: C, b: C): boolean;
  format(cidr: C): string;
  /** One that is clear of these, for who asks for none. */
  next(taken: readonly C[]): C | undefined;
  /** The sentence for when there is none. */
  readonly lack: string;
  /** Its router, when nobody asked for another. */
  routerOf(cidr: C): string;
  /** An address, or a block of them, as the family writes it. */
  plain(text: string): string;
}

/** A network's subnets in one family, as asked for or cut; or the sentence why it cannot have them. */
export function grantSide<C>(
  family: Family<C>,
  spec: Pick<NetworkSpec, "name" | "ipam">,
  others: readonly OwnSubnet[],
): NetworkSide | { readonly error: string } {
  const [asked = {}, ...rest] = ipamOf(spec, family.number);
  const first = grantSubnet(family, asked, others);
  if ("error" in first) return first;
  const more: SubnetState[] = [];
  for (const wish of rest) {
    const own = [first, ...more].map(({ subnet }) => ({ name: spec.name, subnet }));
    const next = grantSubnet(family, wish, [...others, ...own]);
    if ("error" in next) return next;
    more.push(next);
  }
  return more.length === 0 ? first : { ...first, more };
}

function grantSubnet<C>(
  family: Family<C>,
  { subnet, gateway, ipRange }: IpamConfig,
  others: readonly OwnSubnet[],
): SubnetState | { readonly error: string } {
  const taken = others.flatMap(({ name, subnet: text }) => {
    const cidr = family.parse(text);
    return cidr === undefined ? [] : [{ name, cidr }];
  });
  const cidr = subnet === undefined ? family.next(taken.map((other) => other.cidr)) : family.parse(subnet);
  if (cidr === undefined) return { error: family.lack };
  const clash = taken.find((other) => family.overlaps(other.cidr, cidr));
  if (clash !== undefined)
    return { error: `subnet ${family.format(cidr)} overlaps with network ${clash.name}` };
  return {
    subnet: family.format(cidr),
    gateway: gateway === undefined ? family.routerOf(cidr) : family.plain(gateway),
    ...(ipRange !== undefined && { ipRange: family.plain(ipRange) }),
  };
}

/** The subnets of a side, by whose they are. */
export function ownedBy(name: string, side: NetworkSide | undefined): OwnSubnet[] {
  return side === undefined ? [] : subnetsOf(side).map(({ subnet }) => ({ name, subnet }));
}
