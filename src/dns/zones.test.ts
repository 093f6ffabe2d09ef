import fc from "fast-check";
import { expect, test } from "vitest";
import type { NetworkFacts } from "../dataplane/index.ts";
import { addressesOf } from "./zone.ts";
import { Zones } from "./zones.ts";

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

const zoneFor = (of: NetworkFacts, asker: string) => new Zones(of).zoneOf(asker);

/** Network by network, all names and addresses that an asker may know. */
const names = (asker: string) =>
  Object.fromEntries(
    (zoneFor(facts, asker)?.networks ?? []).map(({ name, addresses }) => [
      name,
      Object.fromEntries(addresses),
    ]),
  );

test("a task on one network knows the names there: services, aliases, tasks", () => {
  expect(names("172.18.0.16")).toEqual({
    "front-name": {
      web: ["10.1.0.2"],
      www: ["10.1.0.2"],
      site: ["10.1.0.2"],
      blog: ["10.1.0.3"],
      both: ["10.1.0.4"],
      "tasks.web": ["10.1.0.10", "10.1.0.11"],
      "tasks.www": ["10.1.0.10", "10.1.0.11"],
      "tasks.site": ["10.1.0.10", "10.1.0.11"],
      "tasks.blog": [],
      "tasks.both": [],
      "web.1.w1": ["10.1.0.10"],
      "web.1.w2": ["10.1.0.11"],
    },
  });
});

test("a service without a VIP is its tasks; networks come in the task's own order", () => {
  const of = names("172.18.0.17");
  expect(Object.keys(of)).toEqual(["front-name", "back-name"]);
  expect(of["back-name"]?.["db"]).toEqual(["10.2.0.10", "10.2.0.11"]);
  expect(of["front-name"]?.["both"]).toEqual(["10.1.0.4"]);
  expect(of["back-name"]?.["both"]).toEqual(["10.2.0.4"]);
});

test("a service's own name goes before anybody's alias, whoever comes first", () => {
  const aliases = { front: ["WEB", "thief"] };
  const thief = { id: "thief", name: "thief", vips: { front: "10.1.0.66" }, aliases, ports: [] };
  const zone = zoneFor({ ...facts, services: [thief, ...facts.services] }, "172.18.0.16");
  expect(zone?.networks[0]?.addresses.get("web")).toEqual(["10.1.0.2"]);
  expect(zone?.networks[0]?.addresses.get("thief")).toEqual(["10.1.0.66"]);
});

test("an alias is that of all whose tasks take traffic, and of all who have it when none do", () => {
  const site = (endpoints: NetworkFacts["endpoints"]) =>
    zoneFor({ ...facts, endpoints }, "172.18.0.16")?.networks[0]?.addresses.get("site");
  const blog = endpoint("g1", "blog", { front: "10.1.0.12" });
  expect(site([])).toEqual(["10.1.0.2", "10.1.0.3"]);
  expect(site([blog])).toEqual(["10.1.0.3"]);
  expect(site([...facts.endpoints, blog])).toEqual(["10.1.0.2", "10.1.0.3"]);
});

test("a service is asked on the network where its tasks are, before they are on the asker's first; never another by its name", () => {
  const asked = (name: string, endpoints: NetworkFacts["endpoints"]) =>
    addressesOf(zoneFor({ ...facts, services, endpoints }, "172.18.0.17")!, name);
  const aliases = { front: ["app"], back: ["app"] };
  const services = [
    { id: "both", name: "both", vips: { front: "10.1.0.4", back: "10.2.0.4" }, aliases, ports: [] },
    { id: "moved", name: "moved", vips: { front: "10.1.0.5" }, aliases: { front: [] }, ports: [] },
    { id: "thief", name: "thief", vips: { back: "10.2.0.66" }, aliases: { back: ["moved"] }, ports: [] },
  ];
  const on = (id: string, network: string, address: string) => endpoint(`${id}1`, id, { [network]: address });
  expect(asked("both", [])).toEqual(["10.1.0.4"]);
  expect(asked("both", [on("both", "back", "10.2.0.20")])).toEqual(["10.2.0.4"]);
  expect(asked("app", [on("both", "back", "10.2.0.20")])).toEqual(["10.2.0.4"]);
  expect(asked("both.front-name", [on("both", "back", "10.2.0.20")])).toEqual(["10.1.0.4"]);
  expect(asked("both", [on("both", "front", "10.1.0.20")])).toEqual(["10.1.0.4"]);
  expect(asked("moved", [on("thief", "back", "10.2.0.21")])).toEqual(["10.1.0.5"]);
  // It was on back, where its VIP has gone already.
  expect(asked("moved", [on("moved", "back", "10.2.0.22")])).toEqual(["10.2.0.22"]);
});

test("askers on the same network share its names", () => {
  const zones = new Zones(facts);
  expect(zones.zoneOf("172.18.0.16")?.networks[0]).toBe(zones.zoneOf("172.18.0.17")?.networks[0]);
  expect(zones.zoneOf("172.18.0.16")).toBe(zones.zoneOf("172.18.0.16"));
});

test("containers made by hand are known by name, alias and short id, and share aliases; services and tasks go before them", () => {
  const guest = (id: string, address: string, ...names: string[]) => ({
    ...{ id, nodeId: "m", addresses: { front: address }, names: { front: [...names, id] } },
  });
  const guests = [
    guest("0a1b", "10.1.0.30", "Shell", "tools", "www"),
    guest("2c3d", "10.1.0.31", "spare", "tools", "web.1.w1"),
    {
      ...guest("4e5f", "10.2.0.30", "hidden"),
      addresses: { back: "10.2.0.30" },
      names: { back: ["hidden"] },
    },
  ];
  const zone = zoneFor({ ...facts, guests }, "172.18.0.16")!.networks[0]!;
  const of = Object.fromEntries(zone.addresses);
  expect(of).toMatchObject({
    ...{ shell: ["10.1.0.30"], "0a1b": ["10.1.0.30"], tools: ["10.1.0.30", "10.1.0.31"] },
    ...{ www: ["10.1.0.2"], "web.1.w1": ["10.1.0.10"] },
  });
  expect(of).not.toHaveProperty("hidden");
  expect(zone.names.get("10.1.0.30")).toBe("Shell.front-name");
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
  const [front] = zoneFor(facts, "172.18.0.16")?.networks ?? [];
  expect(front?.names.get("10.1.0.2")).toBe("Web.front-name");
  expect(front?.names.get("10.1.0.11")).toBe("web.1.w2.front-name");
  expect(front?.names.get("10.2.0.10")).toBeUndefined();
});

/** The same with IPv6 on one network: a service with both VIPs, one whose VIP is older than that, and tasks without a VIP. */
const dual: NetworkFacts = {
  ...facts,
  self: { ...facts.self, ipv6: true },
  networks: facts.networks.map((n) =>
    n.id === "front" ? { ...n, v6: { subnet: "fd00:1::/64", gateway: "fd00:1::1" } } : n,
  ),
  services: [
    ...facts.services.map((s) => (s.id === "web" ? { ...s, vips6: { front: "fd00:1::2" } } : s)),
    { id: "rr", name: "rr", vips: {}, aliases: { front: ["www"] }, ports: [] },
    { id: "www", name: "www", vips: { front: "10.1.0.9" }, aliases: {}, ports: [] },
  ],
  endpoints: [
    ...facts.endpoints.map((e) => (e.taskId === "w1" ? { ...e, addresses6: { front: "fd00:1::10" } } : e)),
    { ...endpoint("r1", "rr", { front: "10.1.0.30" }), addresses6: { front: "fd00:1::30" } },
    { ...endpoint("b1", "blog", { front: "10.1.0.31" }), addresses6: { front: "fd00:1::31" } },
  ],
};

test("IPv6 stands beside IPv4: VIPs, tasks, reverse names; a name is of the same service in both families", () => {
  const [front] = zoneFor(dual, "172.18.0.16")?.networks ?? [];
  const six = (name: string) => front?.addresses6?.get(name);
  expect([six("web"), six("tasks.web"), six("web.1.w1")]).toEqual([
    ["fd00:1::2"],
    ["fd00:1::10"],
    ["fd00:1::10"],
  ]);
  expect([six("rr"), six("blog"), six("tasks.blog")]).toEqual([["fd00:1::30"], [], ["fd00:1::31"]]);
  // "www" is a service now, and it has no IPv6: the alias's addresses are not its.
  expect([front?.addresses.get("www"), six("www")]).toEqual([["10.1.0.9"], []]);
  expect(front?.names.get("fd00:1::2")).toBe("Web.front-name");
  expect(front?.names.get("fd00:1::10")).toBe("web.1.w1.front-name");
  expect(front?.addresses).toEqual(
    zoneFor({ ...dual, self: facts.self }, "172.18.0.16")?.networks[0]?.addresses,
  );
});

test("a node that carries no IPv6 tells nobody of it", () => {
  const [front] = zoneFor({ ...dual, self: facts.self }, "172.18.0.16")?.networks ?? [];
  expect([front?.addresses6, front?.subnets]).toEqual([undefined, ["10.0.1.0/24"]]);
  expect(front?.names.has("fd00:1::2")).toBe(false);
});

test("all subnets of both families are the network's to answer for", () => {
  const more = [{ subnet: "10.7.0.0/24", gateway: "10.7.0.1" }];
  const v6 = {
    subnet: "fd00:1::/64",
    gateway: "fd00:1::1",
    more: [{ subnet: "fd00:7::/64", gateway: "fd00:7::1" }],
  };
  const networks = dual.networks.map((n) => (n.id === "front" ? { ...n, more, v6 } : n));
  const [front] = zoneFor({ ...dual, networks }, "172.18.0.16")?.networks ?? [];
  expect(front?.subnets).toEqual(["10.0.1.0/24", "10.7.0.0/24", "fd00:1::/64", "fd00:7::/64"]);
});

const ids = ["front", "back", "mesh"] as const;
const prefix = { front: "10.1.", back: "10.2.", mesh: "10.9." };
const places = fc.subarray([...ids]);

/** Services and endpoints anywhere, with names and aliases that clash. */
const services = fc.array(
  fc.record({
    name: fc.constantFrom("a", "A", "b", "tasks.a", "a.front-name"),
    vips: places,
    aliases: places,
    tasks: fc.array(places, { maxLength: 3 }),
  }),
  { maxLength: 5 },
);

const at = (on: readonly (typeof ids)[number][], end: string) =>
  Object.fromEntries(on.map((id) => [id, prefix[id] + end]));

test("never an address of a network that the asker is not on", () => {
  fc.assert(
    fc.property(services, places, (made, on) => {
      const addresses = at(on, "9.9");
      const task = { taskId: "x", serviceId: "x", addresses, gatewayAddress: "172.18.9.9", hostPorts: [] };
      const mine: NetworkFacts = {
        ...facts,
        services: made.map(({ name, vips, aliases }, i) => ({
          id: `s${i}`,
          name,
          vips: at(vips, `1.${i}`),
          aliases: Object.fromEntries(aliases.map((id) => [id, ["a", "www"]])),
          ports: [],
        })),
        endpoints: made.flatMap(({ tasks }, i) =>
          tasks.map((where, j) => endpoint(`t${i}${j}`, `s${i}`, at(where, `2.${i * 10 + j}`))),
        ),
        tasks: [task],
      };
      const known = (zoneFor(mine, "172.18.9.9")?.networks ?? []).flatMap((network) => [
        ...[...network.addresses.values()].flat(),
        ...network.names.keys(),
      ]);
      for (const address of known) {
        expect(on.some((id) => id !== "mesh" && address.startsWith(prefix[id]))).toBe(true);
      }
    }),
  );
});
