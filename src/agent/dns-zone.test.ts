import fc from "fast-check";
import { expect, test } from "vitest";
import type { NetworkFacts } from "../dataplane/index.ts";
import { zoneFor } from "./dns-zone.ts";

const network = (id: string, more: object = {}) => ({
  id,
  name: `${id}-name`,
  vni: 4097,
  subnet: "10.0.1.0/24",
  gateway: "10.0.1.1",
  mtu: 1450,
  ingress: false,
  internal: false,
  ...more,
});

const endpoint = (taskId: string, serviceId: string, addresses: Record<string, string>) => ({
  taskId,
  serviceId,
  name: `${serviceId}.1.${taskId}`,
  nodeId: "n",
  addresses,
});

const facts: NetworkFacts = {
  self: { nodeId: "n", dataPathAddress: "192.0.2.1", gatewaySubnet: "172.18.0.0/16", dataPathPort: 4789 },
  networks: [network("back"), network("front"), network("mesh", { ingress: true })],
  nodes: [],
  services: [
    {
      id: "web",
      name: "Web",
      vips: { front: "10.1.0.2", mesh: "10.9.0.2" },
      aliases: { front: ["www", "site"] },
      ports: [],
    },
    { id: "blog", name: "blog", vips: { front: "10.1.0.3" }, aliases: { front: ["site"] }, ports: [] },
    { id: "db", name: "db", vips: {}, aliases: { back: [] }, ports: [] },
    { id: "both", name: "both", vips: { front: "10.1.0.4", back: "10.2.0.4" }, aliases: {}, ports: [] },
  ],
  endpoints: [
    endpoint("w1", "web", { front: "10.1.0.10", mesh: "10.9.0.10" }),
    endpoint("w2", "web", { front: "10.1.0.11" }),
    endpoint("d1", "db", { back: "10.2.0.10" }),
    endpoint("d2", "db", { back: "10.2.0.11" }),
  ],
  attachments: [],
  tasks: [
    {
      taskId: "w1",
      serviceId: "web",
      addresses: { front: "10.1.0.10", mesh: "10.9.0.10" },
      gatewayAddress: "172.18.0.16",
      hostPorts: [],
    },
    {
      taskId: "b1",
      serviceId: "both",
      addresses: { front: "10.1.0.20", back: "10.2.0.20" },
      gatewayAddress: "172.18.0.17",
      hostPorts: [],
    },
    { taskId: "p1", serviceId: "plain", addresses: {}, gatewayAddress: "172.18.0.18", hostPorts: [] },
  ],
};

const names = (asker: string) => Object.fromEntries(zoneFor(facts, asker)?.names ?? []);

test("a task on one network knows the names there: services, aliases, tasks", () => {
  expect(names("172.18.0.16")).toEqual({
    web: ["10.1.0.2"],
    www: ["10.1.0.2"],
    site: ["10.1.0.2", "10.1.0.3"],
    blog: ["10.1.0.3"],
    both: ["10.1.0.4"],
    "tasks.web": ["10.1.0.10", "10.1.0.11"],
    "web.1.w1": ["10.1.0.10"],
    "web.1.w2": ["10.1.0.11"],
  });
});

test("a service without a VIP is its tasks, and of several networks the first one counts", () => {
  const of = names("172.18.0.17");
  expect(of["db"]).toEqual(["10.2.0.10", "10.2.0.11"]);
  expect(of["both"]).toEqual(["10.2.0.4"]);
  expect(of["web"]).toEqual(["10.1.0.2"]);
});

test("a task without a network knows no name and may ask outside; a stranger has no zone", () => {
  expect(names("172.18.0.18")).toEqual({});
  expect(zoneFor(facts, "172.18.0.18")?.forwards).toBe(true);
  expect(zoneFor(facts, "172.18.0.99")).toBeUndefined();
});

test("only internal networks: nothing may be asked outside", () => {
  const closed = { ...facts, networks: facts.networks.map((n) => ({ ...n, internal: true })) };
  expect(zoneFor(closed, "172.18.0.16")?.forwards).toBe(false);
});

test("addresses have names in reverse", () => {
  const { reverse } = zoneFor(facts, "172.18.0.16") ?? {};
  expect(reverse?.get("10.1.0.2")).toBe("Web.front-name");
  expect(reverse?.get("10.1.0.11")).toBe("web.1.w2.front-name");
  expect(reverse?.get("10.2.0.10")).toBeUndefined();
});

test("never an address of a network that the asker is not on", () => {
  const ids = ["front", "back", "mesh"] as const;
  const prefix = { front: "10.1.", back: "10.2.", mesh: "10.9." };
  fc.assert(
    fc.property(fc.subarray([...ids]), (on) => {
      const addresses = Object.fromEntries(on.map((id) => [id, `${prefix[id]}9.9`]));
      const task = { taskId: "x", serviceId: "x", addresses, gatewayAddress: "172.18.9.9", hostPorts: [] };
      const zone = zoneFor({ ...facts, tasks: [task] }, "172.18.9.9");
      const known = [...(zone?.names.values() ?? [])].flat().concat([...(zone?.reverse.keys() ?? [])]);
      return known.every((address) => on.some((id) => id !== "mesh" && address.startsWith(prefix[id])));
    }),
  );
});
