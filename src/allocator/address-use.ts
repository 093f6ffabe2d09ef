import { isWithin } from "../lib/index.ts";
import { type AddressUse, type Attachment, isTerminal, type Network } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { type Pool, poolsOf, rangeOf, wholeOf } from "./pools.ts";

/** How full each subnet of a network is; nothing for one that has none yet. */
export function addressUse(view: View, network: Network): AddressUse[] {
  const held = heldOn(view, network.id);
  return [...poolsOf(network, 4), ...poolsOf(network, 6)].map((pool) => useOf(pool, held));
}

function useOf(pool: Pool, held: readonly string[]): AddressUse {
  const { subnet } = pool.state;
  const [range, whole] = [rangeOf(pool), wholeOf(pool)];
  const here = held.filter((address) => isWithin(address, subnet));
  const given = here.filter((address) => range.has(address));
  return { subnet, inUse: whole.reserved + here.length, free: Math.max(0, range.size - given.length) };
}

/** Every address of the network that is held, of either family, once. */
function heldOn(view: View, networkId: string): readonly string[] {
  const places = [
    ...[...view.tasksByNetwork(networkId)].filter((task) => !isTerminal(task)).map((t) => t.attachments),
    ...[...view.guestsByNetwork(networkId)].map((guest) => guest.attachments),
    ...[...view.all("service")].map(({ endpoint }): readonly Attachment[] => endpoint?.vips ?? []),
  ].flat();
  const own = places.filter((place) => place.networkId === networkId);
  const nodes = [...view.all("node")].flatMap(({ attachments }) => attachments[networkId] ?? []);
  return [...new Set([...own.flatMap(({ address, address6 = [] }) => [address].concat(address6)), ...nodes])];
}
