import { expect, test } from "vitest";
import { EMPTY_NAMESPACE, type Namespace } from "./node-network.ts";
import { staleConnections } from "./stale.ts";

const sandbox = (
  backends: readonly string[],
  routed: readonly string[],
  published = ["udp . 53"],
): Namespace => ({
  ...EMPTY_NAMESPACE,
  routes: routed.map((address) => ({ destination: `${address}/32`, link: "sh-v" })),
  tables: [
    {
      family: "ip",
      name: "sh-lb",
      sets: [{ name: "published", type: "inet_proto . inet_service", elements: published }],
      maps: [{ name: "vips", key: "ipv4_addr", value: "verdict", elements: { "10.0.1.5": "goto vip-a" } }],
      chains: [
        {
          name: "vip-a",
          rules:
            backends.length === 0
              ? []
              : [
                  `dnat to numgen inc mod ${backends.length} map { ${backends.map((b, i) => `${i} : ${b}`).join(", ")} }`,
                ],
        },
        {
          name: "prerouting",
          base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
          rules: ["ip daddr vmap @vips", "meta l4proto . th dport @published dnat to 172.18.0.6"],
        },
      ],
    },
  ],
});

const NOTHING = { gone: [], left: [], opened: [], begun: [] };

test("no change, nothing stale", () => {
  const same = sandbox(["10.0.1.7", "10.0.1.8"], ["10.0.1.7", "10.0.1.8"]);
  expect(staleConnections(same, same, true)).toEqual(NOTHING);
});

test("one more backend makes nothing stale", () => {
  expect(staleConnections(sandbox(["10.0.1.7"], []), sandbox(["10.0.1.7", "10.0.1.8"], []), true)).toEqual(
    NOTHING,
  );
});

test("a backend that leaves; one that vanishes", () => {
  const before = sandbox(["10.0.1.7", "10.0.1.8"], ["10.0.1.7", "10.0.1.8"]);
  const drained = sandbox(["10.0.1.7"], ["10.0.1.7", "10.0.1.8"]);
  expect(staleConnections(before, drained, true)).toEqual({ ...NOTHING, left: ["10.0.1.8"] });
  expect(staleConnections(drained, sandbox(["10.0.1.7"], ["10.0.1.7"]), true)).toEqual({
    ...NOTHING,
    gone: ["10.0.1.8"],
  });
});

test("a VIP that gets its first backend, a UDP port that is published", () => {
  expect(staleConnections(sandbox([], []), sandbox(["10.0.1.7"], []), true)).toEqual({
    ...NOTHING,
    opened: ["10.0.1.5"],
  });
  const more = sandbox(["10.0.1.7"], [], ["udp . 53", "udp . 8125", "tcp . 80"]);
  expect(staleConnections(sandbox(["10.0.1.7"], []), more, true)).toEqual({ ...NOTHING, opened: [8125] });
});

test("a UDP port that is published at one address of the host", () => {
  const bound = (elements: Readonly<Record<string, string>>): Namespace => {
    const type = { key: "ipv4_addr . inet_proto . inet_service", value: "ipv4_addr . inet_service" };
    const maps = [{ name: "bound-ports", ...type, elements }];
    return {
      ...EMPTY_NAMESPACE,
      tables: [{ family: "ip", name: "sh-bridge", sets: [], maps, chains: [] }],
    };
  };
  const open = bound({
    "192.0.2.1 . udp . 53": "172.18.0.16 . 53",
    "192.0.2.1 . tcp . 80": "172.18.0.16 . 80",
  });
  expect(staleConnections(bound({}), open, true)).toEqual({ ...NOTHING, opened: ["192.0.2.1:53"] });
  expect(staleConnections({ ...open, tables: [] }, open, true)).toEqual({
    ...NOTHING,
    begun: ["192.0.2.1:53", "192.0.2.1:80"],
  });
});

test("of tables that nobody knows, nothing is known to be new", () => {
  const strange = { ...EMPTY_NAMESPACE, strange: [{ family: "ip" as const, name: "sh-lb" }] };
  expect(staleConnections(strange, sandbox(["10.0.1.7"], []), true)).toMatchObject({ opened: [] });
});

test("what began while a table was missing, or was not as it was made", () => {
  const want = sandbox(["10.0.1.7"], ["10.0.1.7"], ["udp . 53", "tcp . 80"]);
  const begun = ["10.0.1.7", "10.0.1.5", 53, 80];
  const strange = { ...want, tables: [], strange: [{ family: "ip" as const, name: "sh-lb" }] };
  for (const now of [{ ...want, tables: [] }, strange]) {
    expect(staleConnections(now, want, true)).toEqual({ ...NOTHING, begun });
  }
  // Who has just started knows none, and they may be in order.
  expect(staleConnections(strange, want, false)).toEqual(NOTHING);
  expect(staleConnections({ ...want, tables: [] }, want, false)).toEqual({ ...NOTHING, begun });
});

test("a table of IPv6 that was missing is no matter of IPv4", () => {
  const want = sandbox(["10.0.1.7"], ["10.0.1.7"]);
  const maps = [
    { name: "vips", key: "ipv6_addr", value: "verdict", elements: { "fd00:1::2": "goto vip-a" } },
  ];
  const six = { family: "ip6" as const, name: "sh-lb", sets: [], maps, chains: [] };
  const routes = [...want.routes, { destination: "fd00:1::7/128", link: "sh-v" }];
  const both = { ...want, routes, tables: [...want.tables, six] };
  expect(staleConnections({ ...want, routes }, both, true).begun).toEqual(["fd00:1::7", "fd00:1::2"]);
});

test("IPv6 is judged apart, though its maps have the same names", () => {
  const six = (backends: readonly string[]): Namespace => {
    const v4 = sandbox(["10.0.1.7"], ["10.0.1.7"]);
    const elements = Object.fromEntries(backends.map((address) => ["udp . 53", `${address} . 53`]));
    const table = {
      family: "ip6" as const,
      name: "sh-lb",
      sets: [],
      maps: [{ name: "vips", key: "ipv6_addr", value: "verdict", elements: { "fd00:1::2": "goto vip-a" } }],
      chains: [{ name: "vip-a", rules: backends.map((address) => `dnat to ${address}`) }],
    };
    const ports = { name: "host-ports", key: "inet_proto . inet_service", value: "ipv6_addr . inet_service" };
    const routes = backends.map((address) => ({ destination: `${address}/128`, link: "sh-v" }));
    return {
      ...v4,
      routes: [...v4.routes, ...routes],
      tables: [...v4.tables, { ...table, maps: [...table.maps, { ...ports, elements }] }],
    };
  };
  expect(staleConnections(six(["fd00:1::5"]), six(["fd00:1::a:6"]), true)).toEqual({
    gone: ["fd00:1::5"],
    left: ["fd00:1::5"],
    begun: [],
    opened: [],
  });
  expect(staleConnections(six([]), six(["fd00:1::5"]), true)).toEqual({
    gone: [],
    left: [],
    opened: ["fd00:1::2", 53],
    begun: [],
  });
});
