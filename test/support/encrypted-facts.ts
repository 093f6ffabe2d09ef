import type { NetworkFacts, TunnelKey } from "../../src/dataplane/index.ts";
import { type ClusterSketch, factsOf } from "./network-facts.ts";

/** The key for one direction between two nodes in an epoch; a number that nobody should use for more than a test. */
function keyOf(from: number, to: number, epoch: number): TunnelKey {
  const spi = 0x1000 + from * 0x100 + to * 0x10 + epoch;
  return { spi, key: spi.toString(16).padStart(40, "a") };
}

/** As `factsOf`, with network front encrypted: nodes 1 and 2 share keys, and the first outbound epoch is the one to send under. */
export function encryptedFactsOf(
  sketch: ClusterSketch,
  self: 1 | 2,
  epochs: { readonly inbound: readonly number[]; readonly outbound: readonly number[] },
): NetworkFacts {
  const facts = factsOf(sketch, self);
  const other = self === 1 ? 2 : 1;
  return {
    ...facts,
    networks: facts.networks.map((network) => ({ ...network, encrypted: network.name === "front" })),
    encryption: [
      {
        nodeId: `node-${other}`,
        inbound: epochs.inbound.map((epoch) => keyOf(other, self, epoch)),
        outbound: epochs.outbound.map((epoch) => keyOf(self, other, epoch)),
      },
    ],
  };
}
