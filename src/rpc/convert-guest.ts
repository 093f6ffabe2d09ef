import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GuestWishSchema,
  Refusal,
  WantedNetwork as WireNetwork,
  GuestWish as WireWish,
} from "../gen/shoal/rpc_pb.ts";
import { FAULT_KINDS, formatIpv6, parseIpv6 } from "../lib/index.ts";
import {
  type GuestRefusal,
  type GuestWish,
  isContainerId,
  isContainerName,
  type NumberedWish,
} from "../model/index.ts";
import { BOUNDS, few, ipv4, malformed, word } from "./bounds.ts";
import { definedOf } from "./defined-of.ts";

export function wishToWire({
  id,
  name,
  number,
  networks,
}: NumberedWish): MessageInitShape<typeof GuestWishSchema> {
  return {
    ...{ id, name, number },
    networks: networks.map(({ ref, aliases, used, address, address6 }) => ({
      ...{ ref, aliases: [...aliases] },
      ...definedOf({ address, address6 }),
      ...(used !== undefined && {
        used: { address: used.address, ...definedOf({ address6: used.address6 }) },
      }),
    })),
  };
}

/** A node's wish, checked: what it says here, other nodes are told, and make names and routes of. */
export function wishFromWire({ id, name, number, networks }: WireWish): NumberedWish {
  if (!isContainerId(id)) throw malformed("a guest's id is no container's");
  if (!isContainerName(name)) throw malformed("a guest's name is no container's");
  return {
    ...{ id, number, name: word("name", name, BOUNDS.id) },
    networks: few("networks", networks).map(networkFromWire),
  };
}

function networkFromWire(said: WireNetwork): GuestWish["networks"][number] {
  const { ref, aliases, address, address6, used } = said;
  return {
    ref: word("ref", ref),
    aliases: few("aliases", aliases).map((alias) => word("alias", alias, BOUNDS.id)),
    ...(address !== undefined && { address: someIpv4(address) }),
    ...(address6 !== undefined && { address6: ipv6(address6) }),
    ...(used !== undefined && {
      used: {
        address: someIpv4(used.address),
        ...(used.address6 !== undefined && { address6: ipv6(used.address6) }),
      },
    }),
  };
}

function someIpv4(text: string): string {
  if (text === "") throw malformed("address is empty");
  return ipv4("address", text);
}

function ipv6(text: string): string {
  const address = parseIpv6(text);
  if (address === undefined) throw malformed("address6 is no IPv6 address");
  return formatIpv6(address);
}

/** Kinds that only newer managers know are our own mistake. */
export function refusalFromWire({ kind, message, ref }: Refusal): GuestRefusal {
  return { kind: FAULT_KINDS.find((each) => each === kind) ?? "internal", message, ref };
}
