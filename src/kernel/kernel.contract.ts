import { afterEach, describe, expect, test } from "vitest";
import { EMPTY_NAMESPACE, HOST, type Namespace, type NftTable, type NodeNetwork } from "../netstate/index.ts";
import type { Kernel } from "./kernel.ts";

/** A fresh machine with a kernel of ours on it (tag "sh"), and the hands of somebody else. */
export interface KernelUnderTest {
  readonly kernel: Kernel;
  /** Another shoald on the same machine, that knows nothing yet. */
  successor(): Kernel;
  removeLink(namespace: string, link: string): Promise<void>;
  removeTable(namespace: string, table: string): Promise<void>;
  removeRoute(namespace: string, destination: string, link: string): Promise<void>;
  removeNamespace(namespace: string): Promise<void>;
  /** Names of our links in a namespace, in order. */
  links(namespace: string): Promise<string[]>;
  namespaces(): Promise<string[]>;
  dispose(): Promise<void>;
}

const table = (name: string, backends: readonly string[]): NftTable => ({
  family: "ip",
  name,
  sets: [{ name: "peers", type: "ipv4_addr", elements: backends }],
  maps: [
    {
      name: "vips",
      key: "ipv4_addr",
      value: "verdict",
      elements: Object.fromEntries(backends.map((b) => [b, "goto vip-a"])),
    },
  ],
  chains: [
    { name: "vip-a", rules: backends.slice(0, 1).map((b) => `dnat to ${b}`) },
    {
      name: "prerouting",
      base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
      rules: ["ip daddr vmap @vips"],
    },
  ],
});

const host = (boxes: readonly string[]): Namespace => ({
  ...EMPTY_NAMESPACE,
  links: [
    { kind: "bridge", name: "sh-br", mac: "02:42:ac:12:00:01" },
    ...boxes.map((box) => ({
      kind: "veth" as const,
      name: `sh-g${box}`,
      mac: "02:42:ac:12:00:01",
      mtu: 1400,
      peer: { namespace: `box-${box}`, name: "eth0" },
    })),
  ],
  addresses: [{ link: "sh-br", address: "172.18.0.1/16" }],
  routes: boxes.map((box, i) => ({
    destination: `172.18.1.${i}/32`,
    link: `sh-g${box}`,
    source: "172.18.0.1",
  })),
  neighbours: boxes.map((box, i) => ({
    link: `sh-g${box}`,
    address: `172.18.1.${i}`,
    mac: `02:42:00:00:01:0${i}`,
  })),
  sysctls: { "net.ipv4.ip_forward": "1", "net.ipv4.conf.sh-br.rp_filter": "0" },
  tables: [table("sh-host", ["10.0.0.1", "10.0.0.2"])],
});

const box = (name: string, i: number): Namespace => ({
  ...EMPTY_NAMESPACE,
  links: [
    {
      kind: "veth",
      name: "eth0",
      mac: `02:42:00:00:01:0${i}`,
      mtu: 1400,
      peer: { namespace: HOST, name: `sh-g${name}` },
    },
    {
      kind: "vxlan",
      name: "sh-v70",
      mac: "02:42:0a:00:00:02",
      vni: 70 + i,
      local: "192.168.7.1",
      port: 4789,
    },
  ],
  addresses: [
    { link: "eth0", address: `172.18.1.${i}/32` },
    { link: "lo", address: "10.0.0.5/32" },
  ],
  routes: [
    { destination: "172.18.0.1/32", link: "eth0" },
    { destination: "default", link: "eth0", via: "172.18.0.1", onlink: true },
    { destination: "default", link: "sh-v70", via: "10.0.0.9", onlink: true, table: 70_000 },
  ],
  rules: [
    { priority: 100, from: "10.0.0.5/32", table: 70_000 },
    { priority: 100, mark: 65_537, table: 70_000 },
  ],
  neighbours: [{ link: "sh-v70", address: "10.0.0.9", mac: "02:42:0a:00:00:09" }],
  fdb: [{ link: "sh-v70", mac: "02:42:0a:00:00:09", destination: "192.168.7.2" }],
  sysctls: { "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.proxy_arp": "1" },
  tables: [table("sh-dns", ["10.0.0.3"])],
});

const network = (...boxes: readonly string[]): NodeNetwork => ({
  namespaces: {
    [HOST]: host(boxes),
    ...Object.fromEntries(boxes.map((name, i) => [`box-${name}`, box(name, i)])),
  },
});

const withHost = (of: NodeNetwork, change: Partial<Namespace>): NodeNetwork => ({
  namespaces: { ...of.namespaces, [HOST]: { ...(of.namespaces[HOST] ?? EMPTY_NAMESPACE), ...change } },
});

/** What every kernel edge must do. */
export function describeKernel(name: string, make: () => Promise<KernelUnderTest>): void {
  describe(name, () => {
    const made: KernelUnderTest[] = [];
    const fresh = async () => {
      const under = await make();
      made.push(under);
      return under;
    };
    afterEach(async () => {
      for (const under of made.splice(0)) await under.dispose();
    });

    test("makes what is wanted; then nothing is left to do or to repair", async () => {
      const { kernel, links, namespaces } = await fresh();
      const first = await kernel.apply(network("a", "b"));
      expect(first.failures).toEqual([]);
      expect(first.changes).toBeGreaterThan(20);
      expect(await kernel.apply(network("a", "b"))).toEqual({ failures: [], changes: 0 });
      expect(await kernel.sweep(network("a", "b"))).toEqual([]);
      expect(await links(HOST)).toEqual(["sh-br", "sh-ga", "sh-gb"]);
      expect(await links("box-a")).toEqual(["eth0", "sh-v70"]);
      expect(await namespaces()).toEqual(["box-a", "box-b"]);
    });

    test("a successor adopts what is there", async () => {
      const { kernel, successor } = await fresh();
      await kernel.apply(network("a"));
      const next = successor();
      const report = await next.apply(network("a"));
      expect(report.failures).toEqual([]);
      expect(report.changes).toBeLessThanOrEqual(2);
      expect(await next.sweep(network("a"))).toEqual([]);
      expect(await next.apply(network("a"))).toEqual({ failures: [], changes: 0 });
    });

    test("what is no more wanted goes, be it ours or an earlier shoald's", async () => {
      const { kernel, successor, links, namespaces } = await fresh();
      await kernel.apply(network("a", "b"));
      const small = withHost(network("b"), { addresses: [], routes: [], tables: [] });
      expect((await kernel.apply(small)).failures).toEqual([]);
      expect(await links(HOST)).toEqual(["sh-br", "sh-gb"]);
      expect(await namespaces()).toEqual(["box-b"]);
      expect((await successor().apply({ namespaces: {} })).failures).toEqual([]);
      expect(await namespaces()).toEqual([]);
      const last = successor();
      await last.apply({ namespaces: { [HOST]: EMPTY_NAMESPACE } });
      expect(await links(HOST)).toEqual([]);
      expect(await last.sweep({ namespaces: { [HOST]: EMPTY_NAMESPACE } })).toEqual([]);
    });

    test("changes of settings, elements, rules and routes are applied in place", async () => {
      const { kernel, links } = await fresh();
      const before = network("a");
      await kernel.apply(before);
      const after = withHost(before, {
        links: host(["a"]).links.map((link) => ({ ...link, mac: "02:42:ac:12:00:77", mtu: 1300 })),
        addresses: [{ link: "sh-br", address: "172.18.0.9/16" }],
        routes: [{ destination: "172.18.1.0/32", link: "sh-ga", source: "172.18.0.9" }],
        sysctls: { "net.ipv4.conf.sh-br.rp_filter": "2" },
        tables: [table("sh-host", ["10.0.0.2", "10.0.0.3", "10.0.0.4"])],
      });
      expect((await kernel.apply(after)).failures).toEqual([]);
      expect(await kernel.sweep(after)).toEqual([]);
      expect(await links(HOST)).toEqual(["sh-br", "sh-ga"]);
      expect((await kernel.apply(before)).failures).toEqual([]);
      expect(await kernel.sweep(before)).toEqual([]);
    });

    test("a tunnel with another id is made anew, with all that was on it", async () => {
      const { kernel } = await fresh();
      await kernel.apply(network("a"));
      const renumbered: NodeNetwork = {
        namespaces: {
          ...network("a").namespaces,
          "box-a": {
            ...box("a", 0),
            links: box("a", 0).links.map((link) => (link.kind === "vxlan" ? { ...link, vni: 99 } : link)),
          },
        },
      };
      expect((await kernel.apply(renumbered)).failures).toEqual([]);
      expect(await kernel.sweep(renumbered)).toEqual([]);
    });

    test("a veth whose other end moves to another namespace is made anew", async () => {
      const { kernel } = await fresh();
      await kernel.apply(network("a", "b"));
      const of = network("a", "b").namespaces;
      const end = (name: string) => ({ namespace: `box-${name}`, name: "eth0" });
      const crossed: NodeNetwork = {
        namespaces: {
          [HOST]: {
            ...host(["a", "b"]),
            links: host(["a", "b"]).links.map((link) =>
              link.kind === "veth" ? { ...link, peer: end(link.name === "sh-ga" ? "b" : "a") } : link,
            ),
          },
          "box-a": { ...(of["box-a"] ?? EMPTY_NAMESPACE), links: box("b", 0).links },
          "box-b": { ...(of["box-b"] ?? EMPTY_NAMESPACE), links: box("a", 1).links },
        },
      };
      expect((await kernel.apply(crossed)).failures).toEqual([]);
      expect(await kernel.sweep(crossed)).toEqual([]);
    });

    test("one namespace's trouble does not stop the others, and is over when it is over", async () => {
      const { kernel, links } = await fresh();
      const bad = table("sh-dns", ["10.0.0.3"]);
      const broken: NodeNetwork = {
        namespaces: {
          ...network("a", "b").namespaces,
          "box-a": {
            ...box("a", 0),
            tables: [{ ...bad, chains: [{ name: "x", rules: ["ip daddr @nowhere drop"] }] }],
          },
        },
      };
      const report = await kernel.apply(broken);
      expect(report.failures.map((failure) => failure.namespace)).toEqual(["box-a"]);
      expect(report.failures[0]?.error).toMatch(/^cannot put table ip sh-dns: No such file or directory/);
      expect(await links("box-a")).toEqual(["eth0", "sh-v70"]);
      expect(await links("box-b")).toEqual(["eth0", "sh-v70"]);
      expect((await kernel.apply(network("a", "b"))).failures).toEqual([]);
      expect(await kernel.sweep(network("a", "b"))).toEqual([]);
    });

    test("refuses a veth without its other end, an address on no link, a route from a strange source", async () => {
      const { kernel } = await fresh();
      const alone = { namespaces: { [HOST]: host(["a"]) } };
      const [first] = (await kernel.apply(alone)).failures;
      expect(first?.error).toMatch(/^cannot add link sh-ga: its other end eth0 in box-a is missing/);
      const nowhere = withHost(network(), { addresses: [{ link: "sh-none", address: "10.9.9.9/32" }] });
      const [second] = (await kernel.apply(nowhere)).failures;
      expect(second?.error).toMatch(
        /^cannot put address 10\.9\.9\.9\/32 on sh-none: there is no link sh-none/,
      );
      const strange = withHost(network(), {
        routes: [{ destination: "10.9.9.0/24", link: "sh-br", source: "10.77.77.77" }],
      });
      const [third] = (await kernel.apply(strange)).failures;
      expect(third?.error).toMatch(/^cannot put route 10\.9\.9\.0\/24 by sh-br: Invalid prefsrc address/);
      expect((await kernel.apply(network("a"))).failures).toEqual([]);
    });

    test("a namespace that wants a name twice is refused, the others are made", async () => {
      const { kernel, links } = await fresh();
      const twice = withHost(network("a"), {
        links: [...host(["a"]).links, { kind: "bridge", name: "sh-br", mac: "02:42:ac:12:00:02" }],
      });
      const report = await kernel.apply(twice);
      expect(report.failures).toContainEqual({ namespace: HOST, error: "link sh-br is wanted twice" });
      expect(await links("box-a")).toContain("sh-v70");
      expect((await kernel.apply(network("a"))).failures).toEqual([]);
      expect(await kernel.sweep(network("a"))).toEqual([]);
    });

    test("a sweep puts back what others removed, and says so", async () => {
      const { kernel, removeLink, removeTable, removeRoute } = await fresh();
      await kernel.apply(network("a"));
      await removeTable(HOST, "sh-host");
      await removeRoute("box-a", "172.18.0.1/32", "eth0");
      const repaired = await kernel.sweep(network("a"));
      expect(repaired).toContain("host: put table ip sh-host");
      expect(repaired).toContain("box-a: put route 172.18.0.1/32 by eth0");
      expect(await kernel.sweep(network("a"))).toEqual([]);
      await removeLink(HOST, "sh-ga");
      expect(await kernel.sweep(network("a"))).toContain("host: add link sh-ga");
      expect(await kernel.sweep(network("a"))).toEqual([]);
    });

    test("observes what is there, in the words of what is wanted, and repairs nothing", async () => {
      const { kernel, removeTable, removeRoute } = await fresh();
      const wanted = network("a");
      await kernel.apply(wanted);
      const whole = (await kernel.observe(network("a", "b"))).namespaces;
      expect(Object.keys(whole).sort()).toEqual(["box-a", HOST]);
      expect(whole[HOST]?.tables).toEqual(wanted.namespaces[HOST]?.tables);
      await removeTable(HOST, "sh-host");
      await removeRoute("box-a", "172.18.0.1/32", "eth0");
      for (let look = 0; look < 2; look++) {
        const { namespaces } = await kernel.observe(wanted);
        expect(namespaces[HOST]?.tables).toEqual([]);
        expect(namespaces["box-a"]?.routes).not.toContainEqual(
          expect.objectContaining({ destination: "172.18.0.1/32" }),
        );
      }
      expect(await kernel.sweep(wanted)).toContain("host: put table ip sh-host");
    });

    test("a namespace that was taken away is made again", async () => {
      const { kernel, removeNamespace, namespaces } = await fresh();
      await kernel.apply(network("a"));
      await removeNamespace("box-a");
      expect((await kernel.apply(network("a"))).failures).toEqual([]);
      expect(await namespaces()).toEqual(["box-a"]);
      expect(await kernel.sweep(network("a"))).toEqual([]);
    });

    test("tells of others' changes while it watches, and not of its own", async () => {
      const { kernel, removeTable, removeRoute } = await fresh();
      const stop = new AbortController();
      let told = 0;
      kernel.watch(stop.signal, () => {
        told++;
      });
      await kernel.apply(network("a"));
      await kernel.apply(network("a", "b"));
      await removeTable(HOST, "sh-host");
      await expect.poll(() => told, { interval: 5, timeout: 1000 }).toBe(1);
      expect(await kernel.sweep(network("a", "b"))).toContain("host: put table ip sh-host");
      await removeRoute("box-b", "172.18.0.1/32", "eth0");
      await expect.poll(() => told, { interval: 5, timeout: 1000 }).toBe(2);
      expect(await kernel.sweep(network("a", "b"))).toContain("box-b: put route 172.18.0.1/32 by eth0");
      stop.abort();
    });

    test("destroy removes everything, and leaves a kernel that works", async () => {
      const { kernel, links, namespaces } = await fresh();
      await kernel.apply(network("a", "b"));
      await kernel.destroy();
      expect(await links(HOST)).toEqual([]);
      expect(await namespaces()).toEqual([]);
      expect((await kernel.apply(network("a"))).failures).toEqual([]);
      expect(await kernel.sweep(network("a"))).toEqual([]);
    });
  });
}
