import { expect, test } from "vitest";
import type { NetworkFacts } from "../dataplane/index.ts";
import { containerNetworks } from "./container-networks.ts";

const facts = {
  networks: [{ id: "o1", name: "front", subnet: "10.0.1.0/24", gateway: "10.0.1.1" }],
  bridges: [{ id: "b1", name: "app", subnet: "172.20.0.0/16", gateway: "172.20.0.1" }],
  tasks: [],
} as unknown as NetworkFacts;
const row = {
  ...{ taskId: "c1", serviceId: "", gatewayAddress: "172.18.0.2" },
  addresses: { o1: "10.0.1.5" },
  bridges: { b1: { address: "172.20.0.2", names: ["web"] } },
  ...{ devices: {}, hostPorts: [] },
} as unknown as NetworkFacts["tasks"][number];
const words = [
  { ref: "app", aliases: ["db"] },
  { ref: "o1", aliases: ["www"], address: "10.0.1.5" },
];

test("a task is where the network's facts say", () => {
  const front = { name: "front", networkId: "o1", address: "10.0.1.5/24", gateway: "10.0.1.1" };
  const app = { name: "app", networkId: "b1", address: "172.20.0.2/16", gateway: "172.20.0.1" };
  expect(containerNetworks({ facts, row })).toMatchObject([front, app]);
});

test("a container made by hand has aliases, and on the node's own networks the addresses that its user asked for", () => {
  const places = containerNetworks({ facts, row, words });
  expect(places.map(({ name, aliases, asked }) => ({ name, aliases, asked }))).toEqual([
    { name: "front", aliases: ["www"], asked: undefined },
    { name: "app", aliases: ["db"], asked: {} },
  ]);
});

test("one that does not run is where it will be, with the ids of networks that the node knows", () => {
  const nowhere = { address: "", gateway: "", mac: "" };
  const later = { ref: "later", aliases: [] };
  expect(containerNetworks({ facts, words: [...words, later] })).toEqual([
    { name: "app", networkId: "b1", ...nowhere, aliases: ["db"], asked: {} },
    { name: "front", networkId: "o1", ...nowhere, aliases: ["www"], asked: { address: "10.0.1.5" } },
    { name: "later", networkId: "", ...nowhere, aliases: [], asked: {} },
  ]);
  expect(containerNetworks({ facts, words: [], networkMode: "none" })).toMatchObject([{ name: "none" }]);
});
