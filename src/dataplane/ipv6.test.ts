import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equal, formatIpv4, formatIpv6, isIpv6, parseIpv6 } from "../lib/index.ts";
import { findClash, type Namespace } from "../netstate/index.ts";
import { address6Of, embed, embedSubnet, sideOf } from "./addresses6.ts";
import type { NetworkFact, NetworkFacts } from "./facts.ts";
import { planNetwork } from "./plan-network.ts";
import { BY_HAND, SCENARIOS, TAG } from "./scenarios.fake.ts";

const factsOf = (name: string): NetworkFacts => {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found.facts;
};
const withIpv6 = (facts: NetworkFacts, ipv6: boolean): NetworkFacts => ({
  ...facts,
  self: { ...facts.self, ipv6 },
});
const plan = (facts: NetworkFacts) => planNetwork(facts, { tag: TAG }).namespaces;

/** A namespace without all that is of IPv6. */
const four = (namespace: Namespace): Namespace => ({
  ...namespace,
  addresses: namespace.addresses.filter(({ address }) => !isIpv6(address)),
  routes: namespace.routes.filter(({ destination }) => !isIpv6(destination)),
  rules: namespace.rules.filter(({ from = "" }) => !isIpv6(from)),
  neighbours: namespace.neighbours.filter(({ address }) => !isIpv6(address)),
  sysctls: Object.fromEntries(
    Object.entries(namespace.sysctls).filter(([key]) => !key.startsWith("net.ipv6.")),
  ),
  tables: namespace.tables.filter(({ family }) => family !== "ip6"),
});

describe("addresses that nobody hands out", () => {
  test("by example", () => {
    expect(embed("gateway", "172.18.0.16")).toBe("fd53:686f:616c:1::ac12:10");
    expect(embed("ingress", "10.0.0.1")).toBe("fd53:686f:616c:2::a00:1");
    expect(embed("node", "10.0.1.3")).toBe("fe80::a00:103");
    expect(embedSubnet("gateway", "172.18.0.0/16")).toBe("fd53:686f:616c:1::ac12:0/112");
    expect(() => embed("node", "::1")).toThrow("invalid IP address: ::1");
  });

  test("are written as RFC 5952 has it, the IPv4 address in their last 32 bits", () => {
    const number = fc.oneof(
      fc.nat(2 ** 32 - 1),
      fc.nat(2),
      fc.nat(0xffff).map((high) => high * 65_536),
    );
    const prefix = fc.constantFrom("gateway" as const, "ingress" as const, "node" as const);
    fc.assert(
      fc.property(prefix, number, (of, value) => {
        const text = embed(of, formatIpv4(value));
        const parsed = parseIpv6(text) ?? 0n;
        expect(formatIpv6(parsed)).toBe(text);
        expect(parsed & 0xffffffffffffffffn).toBe(BigInt(value));
        expect(embedSubnet(of, `${formatIpv4(value)}/32`)).toBe(`${text}/128`);
      }),
    );
  });

  test("are as many as there are of IPv4", () => {
    const address = fc.nat(2 ** 32 - 1).map(formatIpv4);
    fc.assert(
      fc.property(address, address, (a, b) => (embed("ingress", a) === embed("ingress", b)) === (a === b)),
    );
  });
});

describe("a network's IPv6 side", () => {
  const network: NetworkFact = {
    id: "front",
    name: "front",
    vni: 4097,
    subnet: "10.0.1.0/24",
    gateway: "10.0.1.1",
    mtu: 1450,
    ingress: false,
    internal: false,
    v6: { subnet: "fd00:1::/64", gateway: "fd00:1::1" },
  };
  const self = { ...factsOf("ipv6").self, ipv6: true };

  test("is what was handed out; on ingress it is ours; too small a packet has none, nor a node without IPv6", () => {
    expect(sideOf(self, network)).toEqual(network.v6);
    expect(sideOf(self, { ...network, ingress: true })).toEqual({
      subnet: "fd53:686f:616c:2::a00:100/120",
      gateway: "fd53:686f:616c:2::a00:101",
    });
    expect(sideOf(self, { ...network, mtu: 1279 })).toBeUndefined();
    expect(sideOf({ ...self, ipv6: false }, network)).toBeUndefined();
    const { v6: _, ...plain } = network;
    expect(sideOf(self, plain)).toBeUndefined();
  });

  test("has the addresses that were handed out; on ingress those of IPv4", () => {
    const row = { addresses: { front: "10.0.1.5" }, addresses6: { front: "fd00:1::5" } };
    expect(address6Of(row, network)).toBe("fd00:1::5");
    expect(address6Of(row, { ...network, ingress: true })).toBe("fd53:686f:616c:2::a00:105");
    expect(address6Of({ addresses: row.addresses }, network)).toBeUndefined();
  });
});

describe("planNetwork() with IPv6", () => {
  test.each(SCENARIOS.map(({ name }) => name))("%s: IPv4 is as it was, and nothing clashes", (name) => {
    const [without, dual] = [plan(withIpv6(factsOf(name), false)), plan(withIpv6(factsOf(name), true))];
    expect(Object.keys(dual)).toEqual(Object.keys(without));
    for (const [at, namespace] of Object.entries(dual)) {
      expect(four(namespace)).toEqual(without[at]);
      expect(findClash(namespace)).toBeUndefined();
    }
  });

  test("a task that publishes nothing and has no IPv6 network is left as it was", () => {
    const facts = factsOf("dnsrr");
    expect(plan(withIpv6(facts, true))["task-web1"]).toEqual(plan(facts)["task-web1"]);
  });

  test("an internal network's task has IPv6 on it, and no way out", () => {
    const facts = factsOf("internal");
    const v6 = { subnet: "fd00:2::/64", gateway: "fd00:2::1" };
    const dual = {
      ...withIpv6(facts, true),
      networks: facts.networks.map((network) => (network.internal ? { ...network, v6 } : network)),
      tasks: facts.tasks.map((task) => ({ ...task, addresses6: { back: "fd00:2::6" } })),
    };
    const { addresses = [], routes = [] } = plan(dual)["task-db1"] ?? {};
    expect(addresses.filter(({ address }) => isIpv6(address))).toEqual([
      { link: "eth0", address: "fd00:2::6/64" },
    ]);
    expect(routes.filter(({ destination }) => isIpv6(destination))).toEqual([
      { destination: "fd00:2::/64", link: "eth0", via: "fd00:2::1", onlink: true },
    ]);
  });

  test("a bridge with an MTU that IPv6 does not fit into has none, nor has the way out of who is on it", () => {
    const bridges = BY_HAND.bridges!.map((bridge) => ({ ...bridge, mtu: bridge.id === "app" ? 1279 : 1280 }));
    const dual = Object.entries(plan({ ...BY_HAND, bridges })).filter(([, of]) => !equal(of, four(of)));
    expect(dual).toEqual([]);
    expect(plan(BY_HAND)["task-web"]?.sysctls).toHaveProperty(["net.ipv6.conf.gw0.disable_ipv6"]);
  });

  test("an address has one owner: the one that a manager tells of last", () => {
    const facts = factsOf("ipv6");
    const heir = {
      taskId: "web3",
      nodeId: "node2",
      addresses: { front: "10.0.1.9" },
      addresses6: { front: "fd00:1::3" },
    };
    const sandbox = plan({ ...facts, attachments: [...facts.attachments, heir] })["net-front"];
    expect(sandbox && findClash(sandbox)).toBeUndefined();
    const ways = sandbox?.routes.filter(({ destination }) => destination === "fd00:1::3/128");
    expect(ways).toEqual([
      { destination: "fd00:1::3/128", link: "sh-v4097", via: "fe80::a00:103", source: "fd00:1::1" },
    ]);
  });
});
