import type { Namespace, NftTable } from "../netstate/index.ts";
import type { Names } from "./names.ts";

/**
 * A sandbox's shortcut (nft(8), flowtables): what is established goes from device to device with the translation and the way that its
 * connection has, past routes, rules and chains. Behind the doors of chain "forward", so only what they let in comes to it.
 *
 * Asked on the way there alone. Not for what comes by the tunnel `entry`, the ingress sandbox's: a flow table tells connections apart by
 * device, not by the node that they came through (`entryZones`). Not in the host, whose forwarding is others' to filter, count and shape.
 */
export function flowTable(names: Names, { links }: Pick<Namespace, "links">, entry?: string): NftTable {
  const from = entry === undefined ? "" : `iifname != "${entry}" `;
  return {
    family: "inet",
    name: names.table("flow"),
    sets: [],
    maps: [],
    flowtables: [{ name: "ways", devices: links.map(({ name }) => name).sort() }],
    chains: [
      {
        name: "forward",
        base: { type: "filter", hook: "forward", priority: "filter + 1", policy: "accept" },
        rules: [`${from}ct direction original ct state established flow add @ways`],
      },
    ],
  };
}
