import { isIpv6 } from "../lib/index.ts";
import type { Network } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { poolsOf, rangeOf, wholeOf } from "./pools.ts";

/** Whether somebody may have the address: who asks for it by name may also ask for one beside the network's range. */
export function isToBeHad(network: Network, address: string): boolean {
  return poolsOf(network, isIpv6(address) ? 6 : 4).some((pool) => wholeOf(pool).has(address));
}

/** How many addresses of the network are held that it does not give by itself: guests asked for them. */
export function heldBeside(view: View, network: Network, family: 4 | 6): number {
  const pools = poolsOf(network, family);
  if (pools.every(({ state }) => state.ipRange === undefined)) return 0;
  const ranges = pools.map(rangeOf);
  const held = [...view.guestsByNetwork(network.id)].flatMap(({ attachments }) =>
    attachments.filter(({ networkId }) => networkId === network.id),
  );
  return held.filter(({ address, address6 }) => {
    const one = family === 4 ? address : address6;
    return one !== undefined && !ranges.some((range) => range.has(one));
  }).length;
}
