import { afterEach, describe, expect, test } from "vitest";
import { EMPTY_NAMESPACE, HOST, type Namespace, type NftTable, type NodeNetwork } from "../netstate/index.ts";
import type { KernelUnderTest } from "./kernel.contract.ts";

const table = (backends: readonly string[]): NftTable => ({
  family: "ip6",
  name: "sh-lb",
  sets: [{ name: "self", type: "ipv6_addr . ipv6_addr", elements: backends.map((b) => `${b} . ${b}`) }],
  maps: [{ name: "vips", key: "ipv6_addr", value: "verdict", elements: { "fd00:1::2": "goto vip-a" } }],
  chains: [
    { name: "vip-a", rules: backends.slice(0, 1).map((b) => `dnat to ${b}`) },
    {
      name: "prerouting",
      base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
      rules: ["ip6 daddr vmap @vips"],
    },
  ],
});

const gateway = "fd53:686f:616c:1::ac12:1";

const host: Namespace = {
  ...EMPTY_NAMESPACE,
  links: [
    { kind: "veth", name: "sh-ga", mac: "02:42:ac:12:00:01", peer: { namespace: "box", name: "eth0" } },
  ],
  addresses: [{ link: "sh-ga", address: `${gateway}/128` }],
  routes: [{ destination: "fd53:686f:616c:1::ac12:10/128", link: "sh-ga", source: gateway }],
  neighbours: [{ link: "sh-ga", address: "fd53:686f:616c:1::ac12:10", mac: "02:42:ac:12:00:10" }],
  sysctls: {
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.sh-ga.addr_gen_mode": "1",
    "net.ipv6.conf.sh-ga.disable_ipv6": "0",
  },
};

/** A tunnel whose tables and neighbours are of both families, under one device. */
const box: Namespace = {
  ...EMPTY_NAMESPACE,
  links: [
    { kind: "veth", name: "eth0", mac: "02:42:ac:12:00:10", peer: { namespace: HOST, name: "sh-ga" } },
    { kind: "vxlan", name: "sh-v70", mac: "02:42:0a:00:00:02", vni: 70, local: "192.168.7.1", port: 4789 },
  ],
  addresses: [
    { link: "eth0", address: "fd53:686f:616c:1::ac12:10/128" },
    { link: "eth0", address: "fd00:1::5/64" },
    { link: "lo", address: "fd00:1::3/128" },
    { link: "lo", address: "10.0.0.1/32" },
  ],
  routes: [
    { destination: `${gateway}/128`, link: "eth0" },
    { destination: "::/0", link: "eth0", via: gateway, onlink: true },
    { destination: "fd00:1::/64", link: "eth0", via: "fd00:1::1", onlink: true },
    { destination: "fd00:1::9/128", link: "sh-v70", via: "fe80::a00:9", source: "fd00:1::3" },
    { destination: "::/0", link: "sh-v70", via: "fe80::a00:9", table: 70_000 },
    { destination: "default", link: "sh-v70", via: "10.0.0.9", onlink: true, table: 70_000 },
  ],
  rules: [
    { priority: 100, from: "::/0", mark: 65_537, table: 70_000 },
    { priority: 100, mark: 65_537, table: 70_000 },
    { priority: 100, from: "fd00:1::5/128", table: 70_000 },
  ],
  neighbours: [
    { link: "eth0", address: gateway, mac: "02:42:ac:12:00:01" },
    { link: "sh-v70", address: "fe80::a00:9", mac: "02:42:0a:00:00:09" },
    { link: "sh-v70", address: "10.0.0.9", mac: "02:42:0a:00:00:09" },
  ],
  fdb: [{ link: "sh-v70", mac: "02:42:0a:00:00:09", destination: "192.168.7.2" }],
  sysctls: {
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.eth0.addr_gen_mode": "1",
    "net.ipv6.conf.eth0.disable_ipv6": "0",
    "net.ipv6.conf.sh-v70.addr_gen_mode": "1",
    "net.ipv6.conf.sh-v70.disable_ipv6": "0",
  },
  tables: [table(["fd00:1::5", "fd00:1::9"]), { ...table([]), family: "ip", sets: [], maps: [], chains: [] }],
};

const dual: NodeNetwork = { namespaces: { [HOST]: host, box } };

/** The same with changed words for the box. */
const withBox = (change: Partial<Namespace>): NodeNetwork => ({
  namespaces: { [HOST]: host, box: { ...box, ...change } },
});

/** What every kernel edge must do with IPv6. */
export function describeIpv6(name: string, make: () => Promise<KernelUnderTest>): void {
  describe(`${name}, IPv6`, () => {
    const made: KernelUnderTest[] = [];
    const fresh = async () => {
      const under = await make();
      made.push(under);
      return under;
    };
    afterEach(async () => {
      for (const under of made.splice(0)) await under.dispose();
    });

    test("makes what is wanted; a successor finds nothing to do", async () => {
      const { kernel, successor } = await fresh();
      expect((await kernel.apply(dual)).failures).toEqual([]);
      expect(await kernel.sweep(dual)).toEqual([]);
      expect((await successor().sweep(dual)).filter((repair) => !repair.includes("table"))).toEqual([]);
    });

    test("changes in place, there and back", async () => {
      const { kernel } = await fresh();
      await kernel.apply(dual);
      const after = withBox({
        addresses: box.addresses.map(({ link, address }) => ({
          link,
          address: address.replace("::5/", "::6/"),
        })),
        routes: box.routes.map((r) => (r.via === "fe80::a00:9" ? { ...r, via: "fe80::a00:8" } : r)),
        rules: box.rules.slice(0, 1),
        neighbours: box.neighbours.map((n) => ({ ...n, address: n.address.replace("00:9", "00:8") })),
        tables: [table(["fd00:1::6"])],
      });
      for (const want of [after, dual]) {
        expect((await kernel.apply(want)).failures).toEqual([]);
        expect(await kernel.sweep(want)).toEqual([]);
      }
    });

    test("tells of a lost route, and puts it back", async () => {
      const { kernel, removeRoute } = await fresh();
      const stop = new AbortController();
      let told = 0;
      kernel.watch(stop.signal, () => {
        told++;
      });
      await kernel.apply(dual);
      await removeRoute("box", "fd00:1::9/128", "sh-v70");
      await expect.poll(() => told, { interval: 5, timeout: 1000 }).toBe(1);
      expect(await kernel.sweep(dual)).toEqual(["box: put route fd00:1::9/128 by sh-v70"]);
      stop.abort();
    });

    test("all of it goes", async () => {
      const { kernel, links, namespaces } = await fresh();
      await kernel.apply(dual);
      expect((await kernel.apply({ namespaces: { [HOST]: EMPTY_NAMESPACE } })).failures).toEqual([]);
      expect(await links(HOST)).toEqual([]);
      expect(await namespaces()).toEqual([]);
    });
  });
}
