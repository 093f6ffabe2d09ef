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

const NOTHING = { gone: [], left: [], opened: [] };

test("no change, nothing stale", () => {
  const same = sandbox(["10.0.1.7", "10.0.1.8"], ["10.0.1.7", "10.0.1.8"]);
  expect(staleConnections(same, same)).toEqual(NOTHING);
});

test("one more backend makes nothing stale", () => {
  expect(staleConnections(sandbox(["10.0.1.7"], []), sandbox(["10.0.1.7", "10.0.1.8"], []))).toEqual(NOTHING);
});

test("a backend that leaves; one that vanishes", () => {
  const before = sandbox(["10.0.1.7", "10.0.1.8"], ["10.0.1.7", "10.0.1.8"]);
  const drained = sandbox(["10.0.1.7"], ["10.0.1.7", "10.0.1.8"]);
  expect(staleConnections(before, drained)).toEqual({ ...NOTHING, left: ["10.0.1.8"] });
  expect(staleConnections(drained, sandbox(["10.0.1.7"], ["10.0.1.7"]))).toEqual({
    ...NOTHING,
    gone: ["10.0.1.8"],
  });
});

test("a VIP that gets its first backend, a UDP port that is published", () => {
  expect(staleConnections(sandbox([], []), sandbox(["10.0.1.7"], []))).toEqual({
    ...NOTHING,
    opened: ["10.0.1.5"],
  });
  const more = sandbox(["10.0.1.7"], [], ["udp . 53", "udp . 8125", "tcp . 80"]);
  expect(staleConnections(sandbox(["10.0.1.7"], []), more)).toEqual({ ...NOTHING, opened: [8125] });
});

test("of tables that nobody knows, nothing is known to be new", () => {
  const strange = { ...EMPTY_NAMESPACE, strange: [{ family: "ip" as const, name: "sh-lb" }] };
  expect(staleConnections(strange, sandbox(["10.0.1.7"], []))).toEqual(NOTHING);
});
