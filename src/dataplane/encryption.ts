import { remembered } from "../lib/index.ts";
import type { Xfrm, XfrmPolicy } from "../netstate/index.ts";
import type { NetworkFact, NetworkFacts, NodeFact, NodeSettings, PeerKeys } from "./facts.ts";

/**
 * ESP in transport mode around the tunnel's UDP (RFC 4303, 4106): header 8, IV 8 and ICV 16 bytes, and a trailer of 2 that is padded
 * so that what is encrypted is a multiple of 4.
 */
const ESP_FIXED = 8 + 8 + 16;
const ESP_TRAILER = 2;
/** Bytes of UDP, VXLAN and inner Ethernet: with the outer IP's 20, the 50 that a tunnel takes in clear. */
const INSIDE = 8 + 8 + 14;

/** Of the tunnels of encrypted networks. */
export const encryptedPort = ({ dataPathPort }: NodeSettings): number => dataPathPort + 1;

/** The node's tunnel ports as nft's word. */
export function tunnelPorts({ self, networks }: NetworkFacts): string {
  const both = networks.some((network) => network.encrypted);
  return both ? `{ ${self.dataPathPort}, ${encryptedPort(self)} }` : String(self.dataPathPort);
}

/** What fits into a network's packets when ESP takes its share: 1416 of 1450. */
export function encryptedMtu(clear: number): number {
  const room = clear + INSIDE - ESP_FIXED;
  return room - (room % 4) - ESP_TRAILER - INSIDE;
}

export function withEncryptedMtu(facts: NetworkFacts): NetworkFacts {
  const networks = facts.networks.map((network) => (network.encrypted ? narrowed(network) : network));
  return { ...facts, networks };
}

/** The same object again for the same network: what is known of a network is known by it. */
const narrowed = remembered(
  (network: NetworkFact): NetworkFact => ({ ...network, mtu: encryptedMtu(network.mtu) }),
);

/**
 * Keys, and the policies by which the kernel lets nothing pass the port in clear: two for everybody, which are there as long as
 * there is an encrypted network, and one per peer that says under which key to send.
 */
export function encryption(facts: NetworkFacts): Xfrm | undefined {
  if (!facts.networks.some((network) => network.encrypted)) return undefined;
  const port = encryptedPort(facts.self);
  const nodes = new Map(facts.nodes.map((node) => [node.id, node]));
  const parts = (facts.encryption ?? []).flatMap((keys) => {
    const peer = nodes.get(keys.nodeId);
    return peer === undefined || peer.id === facts.self.nodeId
      ? []
      : [pairPart(facts.self, peer, keys, port)];
  });
  return {
    states: parts.flatMap((part) => part.states),
    policies: [
      { direction: "in", port },
      { direction: "out", port },
      ...parts.flatMap((part) => part.policies),
    ],
  };
}

function pairPart(
  { dataPathAddress: here }: NodeSettings,
  peer: NodeFact,
  keys: PeerKeys,
  port: number,
): Xfrm {
  const there = peer.dataPathAddress;
  const [current] = keys.outbound;
  const out = (spi: number): XfrmPolicy => ({
    direction: "out",
    port,
    source: here,
    destination: there,
    spi,
  });
  return {
    states: [
      ...keys.inbound.map((key) => ({ source: there, destination: here, port, ...key })),
      ...keys.outbound.map((key) => ({ source: here, destination: there, port, ...key })),
    ],
    policies: current === undefined ? [] : [out(current.spi)],
  };
}
