import { expect, test } from "vitest";
import type { NetworkFact, NetworkFacts } from "../dataplane/index.ts";
import { answerOf } from "./named.ts";

const network = (id: string): NetworkFact => ({
  ...{ id, name: `${id}-net`, vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
  ...{ ingress: false, internal: false },
});
/** A task on both networks. */
const client = {
  ...{ taskId: "c", serviceId: "client", gatewayAddress: "172.18.0.16", hostPorts: [] },
  addresses: { front: "10.1.0.99", back: "10.2.0.99" },
};
const networks = [network("back"), network("front")];

const services = [
  { id: "blue", name: "blue", vips: { front: "10.1.0.2", back: "10.2.0.2" }, ports: [] },
  { id: "green", name: "green", vips: { front: "10.1.0.3", back: "10.2.0.3" }, ports: [] },
].map((row) => ({ ...row, aliases: { front: ["app"], back: ["app"] } }));
const others = [
  { id: "id-of-teal", name: "teal", vips: { front: "10.1.0.4" }, aliases: { front: ["far"] }, ports: [] },
  { id: "far", name: "far", vips: { elsewhere: "10.3.0.2" }, aliases: {}, ports: [] },
];

/** The answer to it, while these tasks take traffic. */
function asked(name: string, ...running: readonly (readonly [string, Record<string, string>])[]) {
  const endpoints = running.map(([serviceId, addresses], i) => ({
    ...{ taskId: `t${i}`, serviceId, name: `${serviceId}.1.t${i}`, nodeId: "n", addresses },
  }));
  const facts: NetworkFacts = {
    self: { nodeId: "n", dataPathAddress: "192.0.2.1", gatewaySubnet: "172.18.0.0/16", dataPathPort: 4789 },
    ...{
      networks,
      nodes: [],
      services: [...services, ...others],
      endpoints,
      attachments: [],
      tasks: [client],
    },
  };
  return answerOf(facts, client, name)?.addresses;
}

test.each([
  ["a service is its VIP", "blue", [], ["10.1.0.2"]],
  ["on the network where its tasks are", "blue", [["blue", { back: "10.2.0.9" }]], ["10.2.0.2"]],
  ["but on the one that is said", "blue.front-net", [["blue", { back: "10.2.0.9" }]], ["10.1.0.2"]],
  ["an alias is all of those who have it", "app", [], ["10.1.0.2", "10.1.0.3"]],
  ["whose tasks take traffic", "app", [["green", { front: "10.1.0.9" }]], ["10.1.0.3"]],
  ["a task is its address", "blue.1", [["blue", { front: "10.1.0.9" }]], ["10.1.0.9"]],
  ["a task by its whole name, in capitals", "BLUE.1.T0", [["blue", { back: "10.2.0.9" }]], ["10.2.0.9"]],
  ["and on one network", "blue.1.back-net", [["blue", { back: "10.2.0.9" }]], ["10.2.0.9"]],
  ["a service's tasks", "tasks.blue", [["blue", { front: "10.1.0.9" }]], ["10.1.0.9"]],
  ["a service's id", "id-of-teal", [], ["10.1.0.4"]],
  ["an alias here, though a service elsewhere is called so", "far", [], ["10.1.0.4"]],
  ["nobody", "red", [], undefined],
] as const)("%s: %s", (_, name, running, addresses) => {
  expect(asked(name, ...running)).toEqual(addresses);
});
