import { contains, parseCidr, parseIpv4, requireCidr } from "./ipv4.ts";
import { contains6, isIpv6, parseCidr6, parseIpv6, requireCidr6 } from "./ipv6.ts";

/** A subnet of either family, "10.0.1.0/24" or "fd00:1::/64", and its router's address. */
export interface Subnet {
  readonly subnet: string;
  readonly gateway: string;
}

/** Whether the address lies in the subnet; false for texts that are of two families, or none. */
export function isWithin(address: string, subnet: string): boolean {
  const [block, value] = [parseCidr(subnet), parseIpv4(address)];
  if (block !== undefined && value !== undefined) return contains(block, value);
  const [block6, value6] = [parseCidr6(subnet), parseIpv6(address)];
  return block6 !== undefined && value6 !== undefined && contains6(block6, value6);
}

/** All subnets of what has one, and maybe more. */
export function subnetsOf<S extends Subnet>(side: S & { readonly more?: readonly S[] }): readonly S[] {
  return side.more === undefined ? [side] : [side, ...side.more];
}

/** The subnet that the address is of; the first when it is of none. */
export function subnetWith<S extends Subnet>(side: S & { readonly more?: readonly S[] }, address: string): S {
  return side.more?.find(({ subnet }) => isWithin(address, subnet)) ?? side;
}

/** The address as its subnet has it: "10.0.1.5/24", and the router there. Fault "invalid" for what is no subnet. */
export function placeIn(
  side: Subnet & { readonly more?: readonly Subnet[] },
  address: string,
): { readonly address: string; readonly gateway: string } {
  const { subnet, gateway } = subnetWith(side, address);
  const { bits } = isIpv6(subnet) ? requireCidr6(subnet) : requireCidr(subnet);
  return { address: `${address}/${bits}`, gateway };
}
