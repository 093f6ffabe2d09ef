import { isIpv6 } from "../lib/index.ts";
import { ipamOf, type Network } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { AddressRange } from "./range.ts";
import { AddressRange6 } from "./range6.ts";

/** The addresses of one family that a network gives by itself. */
function rangeOf({ spec, state }: Network, family: 4 | 6): AddressRange | AddressRange6 | undefined {
  if (family === 4) return state && new AddressRange(state, spec);
  return state?.v6 && new AddressRange6(state.v6, ipamOf(spec, 6));
}

/** Whether somebody may have the address: who asks for it by name may also ask for one beside the network's range. */
export function isToBeHad({ spec, state }: Network, address: string): boolean {
  if (state === undefined) return false;
  const { ipRange: _, ...whole } = state;
  if (!isIpv6(address)) return new AddressRange(whole, spec).has(address);
  if (state.v6 === undefined) return false;
  const { ipRange: __, ...whole6 } = state.v6;
  return new AddressRange6(whole6, ipamOf(spec, 6)).has(address);
}

/** How many addresses of the network are held that it does not give by itself: guests asked for them. */
export function heldBeside(view: View, network: Network, family: 4 | 6): number {
  const ipRange = family === 4 ? network.state?.ipRange : network.state?.v6?.ipRange;
  const range = ipRange === undefined ? undefined : rangeOf(network, family);
  if (range === undefined) return 0;
  const held = [...view.guestsByNetwork(network.id)].flatMap(({ attachments }) =>
    attachments.filter(({ networkId }) => networkId === network.id),
  );
  return held.filter(({ address, address6 }) => {
    const one = family === 4 ? address : address6;
    return one !== undefined && !range.has(one);
  }).length;
}
