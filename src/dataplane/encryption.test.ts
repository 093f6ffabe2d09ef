import { expect, test } from "vitest";
import { HOST, type Namespace, printNamespace } from "../netstate/index.ts";
import { encryptedMtu } from "./encryption.ts";
import type { NetworkFacts } from "./facts.ts";
import { planNetwork } from "./plan-network.ts";

const network = { id: "n".repeat(25), name: "dark", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1" };
const node = (number: number) => ({
  id: `node-${number}`,
  dataPathAddress: `192.0.2.${number}`,
  addresses: { [network.id]: `10.0.1.20${number}` },
});
const facts: NetworkFacts = {
  self: {
    nodeId: "node-1",
    dataPathAddress: "192.0.2.1",
    gatewaySubnet: "172.18.0.0/16",
    dataPathPort: 4789,
  },
  networks: [{ ...network, mtu: 1450, ingress: false, internal: false, encrypted: true }],
  nodes: [node(1), node(2), node(3)],
  ...{ services: [], endpoints: [], attachments: [], tasks: [] },
  encryption: [
    {
      nodeId: "node-2",
      inbound: [256, 257].map((spi) => ({ spi, key: "a".repeat(40) })),
      outbound: [512, 513].map((spi) => ({ spi, key: "b".repeat(40) })),
    },
    { nodeId: "node-9", inbound: [], outbound: [] },
  ],
};
const plan = (of: NetworkFacts) => planNetwork(of, { tag: "sh" }).namespaces;

test("the tunnel has a port of its own, which passes nothing in clear, either way", () => {
  const { [HOST]: host, [`net-${network.id}`]: sandbox } = plan(facts);
  expect(sandbox?.links[0]).toMatchObject({ kind: "vxlan", port: 4790, encrypted: true, mtu: 1416 });
  expect(host?.xfrm?.policies).toEqual([
    { direction: "in", port: 4790 },
    { direction: "out", port: 4790 },
    { direction: "out", port: 4790, source: "192.0.2.1", destination: "192.0.2.2", spi: 512 },
  ]);
  expect(host?.xfrm?.states.map(({ source, spi }) => `${source} ${spi}`)).toEqual([
    "192.0.2.2 256",
    "192.0.2.2 257",
    "192.0.2.1 512",
    "192.0.2.1 513",
  ]);
});

test("what was planned of an encrypted network is not made anew for the next plan", () => {
  const service = { id: "web", name: "web", vips: { [network.id]: "10.0.1.2" }, aliases: {}, ports: [] };
  const addresses = { [network.id]: "10.0.1.5" };
  const endpoint = { taskId: "t1", serviceId: "web", name: "web.1", nodeId: "node-2", addresses };
  const full = { ...facts, services: [service], endpoints: [endpoint] };
  const [before, after] = [plan(full), plan({ ...full })].map((each) => each[`net-${network.id}`]!);
  const wayTo = (to: Namespace | undefined) =>
    to?.routes.find((route) => route.destination === "10.0.1.5/32");
  expect(wayTo(after)).toBeDefined();
  expect(wayTo(after)).toBe(wayTo(before));
  expect(after?.tables[0]?.chains[0]).toBe(before?.tables[0]?.chains[0]);
});

test("both ports are for members", () => {
  const text = printNamespace(plan(facts)[HOST]!);
  expect(text).toContain("udp dport { 4789, 4790 } goto input-tunnel");
});

test("without keys the policies stand, and nothing can be sent", () => {
  const { encryption: _, ...without } = facts;
  expect(plan(without)[HOST]?.xfrm).toEqual({
    states: [],
    policies: [
      { direction: "in", port: 4790 },
      { direction: "out", port: 4790 },
    ],
  });
});

test("a node without encrypted networks has nothing of this", () => {
  const networks = facts.networks.map(({ encrypted: _, ...rest }) => rest);
  const clear = plan({ ...facts, networks });
  expect(clear[HOST]?.xfrm).toBeUndefined();
  expect(clear[`net-${network.id}`]?.links[0]).toMatchObject({ port: 4789, mtu: 1450 });
  expect(printNamespace(clear[HOST]!)).toContain("udp dport 4789 goto input-tunnel");
});

test("the largest packet fills the underlay as far as ESP's padding lets it", () => {
  for (let underlay = 576; underlay < 1600; underlay++) {
    const mtu = encryptedMtu(underlay - 50);
    // What an inner IP packet of so many bytes becomes on the wire: IP, ESP, IV, padded UDP + VXLAN + Ethernet + trailer, ICV.
    const wire = (bytes: number) => 20 + 8 + 8 + Math.ceil((8 + 8 + 14 + bytes + 2) / 4) * 4 + 16;
    expect(wire(mtu)).toBeLessThanOrEqual(underlay);
    expect(wire(mtu + 1)).toBeGreaterThan(underlay);
  }
});
