import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIpv4, formatIpv6, messageOf } from "../../lib/index.ts";
import type { Route, RouteRule } from "../../netstate/index.ts";
import type { NetlinkMessage } from "./codec.ts";
import { splitPrefix } from "./formats.ts";
import { addressBody, readAddress } from "./ip-addresses.ts";
import { newBridge, newVeth, newVxlan, readLink } from "./links.ts";
import { fdbBody, neighbourBody, readNeighbour } from "./neighbours.ts";
import { putRouteBody, readRoute, readRule, ruleBody } from "./routes.ts";

/** What we ask for is laid out as what the kernel tells, so each request reads back as the thing it is about. */

const told = (body: Buffer): NetlinkMessage => ({ type: 0, flags: 0, sequence: 0, port: 0, body });
const ip = fc.integer({ min: 1, max: 0xffffffff }).map(formatIpv4);
const ip6 = fc.bigInt(1n, (1n << 128n) - 1n).map(formatIpv6);
const index = fc.integer({ min: 1, max: 0x7fffffff });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;

const routeIn = (all: string, address: fc.Arbitrary<string>, bits: number) =>
  fc
    .record({
      destination: fc.oneof(
        fc.constant(all),
        fc.tuple(address, fc.integer({ min: 1, max: bits })).map(([to, length]) => `${to}/${length}`),
      ),
      via: maybe(address),
      source: maybe(address),
      onlink: maybe(fc.constant(true)),
      table: maybe(fc.integer({ min: 256, max: 0xffffffff })),
    })
    .map((value) => present(value) as Omit<Route, "link">);
const route = fc.oneof(routeIn("default", ip, 32), routeIn("::/0", ip6, 128));

test("routes", () => {
  fc.assert(
    fc.property(index, route, (link, value) => {
      const raw = readRoute(told(putRouteBody(link, { ...value, link: "eth0" })));
      expect(raw).toEqual({ index: link, ours: true, others: false, route: value });
    }),
  );
});

test("what was learned of the path to one address is no route, whoever made the one that it is of", () => {
  const learned = putRouteBody(3, { destination: "fd00:2::2/128", via: "fd00:1::1", link: "eth0" });
  learned.writeUInt32LE(0x200, 8);
  expect(readRoute(told(learned))).toMatchObject({ ours: false, others: false });
});

test("rules", () => {
  const rule = fc
    .record({
      priority: fc.integer({ min: 1, max: 32765 }),
      table: fc.integer({ min: 1, max: 0xffffffff }),
      from: maybe(
        fc.oneof(
          ip.map((address) => `${address}/32`),
          ip6.map((address) => `${address}/128`),
          fc.constant("::/0"),
        ),
      ),
      mark: maybe(fc.integer({ min: 0, max: 0xffffffff })),
    })
    .map((value) => present(value) as RouteRule);
  fc.assert(
    fc.property(rule, (value) => {
      expect(readRule(told(ruleBody(value)))).toEqual(value);
    }),
  );
});

test("addresses, neighbours, forwarding entries", () => {
  fc.assert(
    fc.property(index, ip, fc.integer({ min: 0, max: 32 }), (link, address, bits) => {
      const text = `${address}/${bits}`;
      expect(readAddress(told(addressBody(link, { link: "", address: text })))).toEqual({
        index: link,
        address: text,
        ours: true,
        kernels: false,
      });
      const mac = "02:42:0a:00:01:03";
      const permanent = { index: link, permanent: true, address, mac };
      expect(readNeighbour(told(neighbourBody(link, { link: "", address, mac })))).toEqual({
        ...permanent,
        family: 2,
      });
      expect(readNeighbour(told(fdbBody(link, { link: "", mac, destination: address })))).toEqual({
        ...permanent,
        family: 7,
      });
    }),
  );
});

test("addresses and neighbours of IPv6; the kernel's own are known by their prefix", () => {
  fc.assert(
    fc.property(index, ip6, fc.integer({ min: 0, max: 128 }), (link, address, bits) => {
      const text = `${address}/${bits}`;
      const kernels = /^fe[89ab].:/.test(address);
      const told6 = told(addressBody(link, { link: "", address: text }));
      expect(readAddress(told6)).toEqual({ index: link, address: text, ours: true, kernels });
      const mac = "02:42:0a:00:01:03";
      expect(readNeighbour(told(neighbourBody(link, { link: "", address, mac })))).toEqual({
        index: link,
        permanent: true,
        family: 10,
        address,
        mac,
      });
    }),
  );
});

test("links", () => {
  const base = { mac: "02:42:0a:00:01:03", mtu: 1450 };
  const vxlan = {
    kind: "vxlan",
    name: "sh-v",
    vni: 4097,
    local: "192.168.7.1",
    port: 4789,
    ...base,
  } as const;
  expect(readLink(told(newVxlan(vxlan, 9)))).toMatchObject({
    ...base,
    name: "sh-v",
    kind: "vxlan",
    ours: true,
    up: false,
    vxlan: { vni: 4097, local: "192.168.7.1", port: 4789 },
  });
  expect(readLink(told(newBridge({ kind: "bridge", name: "sh-br" })))).toMatchObject({
    kind: "bridge",
    ours: true,
  });
  const veth = { kind: "veth", name: "sh-g1", peer: { namespace: "box", name: "eth0" }, ...base } as const;
  expect(readLink(told(newVeth(veth, veth, 9)))).toMatchObject({ ...base, name: "sh-g1", kind: "veth" });
});

test("says what it cannot encode", () => {
  const refused = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return messageOf(error);
    }
    return undefined;
  };
  for (const text of ["fd00::1/129", "fd00::g/64", "10.0.0.1/33"])
    expect(refused(() => splitPrefix(text))).toBe(
      `cannot use ${text}: it is not an IP address with a prefix length`,
    );
  expect(refused(() => splitPrefix("10.0.0.1"))).toContain("cannot use 10.0.0.1");
  expect(refused(() => neighbourBody(1, { link: "", address: "10.0.0.1", mac: "nonsense" }))).toBe(
    "invalid MAC address: nonsense",
  );
});
