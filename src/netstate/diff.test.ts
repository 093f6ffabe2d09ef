import { expect, test } from "vitest";
import { diffNamespace } from "./diff.ts";
import { EMPTY_NAMESPACE, type Namespace } from "./node-network.ts";
import { describeOperation, type ObservedNamespace } from "./operations.ts";

const NAMESPACE: Namespace = {
  ...EMPTY_NAMESPACE,
  links: [
    {
      kind: "veth",
      name: "leg",
      mac: "02:42:00:00:00:01",
      mtu: 1450,
      peer: { namespace: "box", name: "eth0" },
    },
    { kind: "vxlan", name: "tunnel", vni: 4096, local: "192.168.7.1", port: 4789 },
  ],
  addresses: [
    { link: "tunnel", address: "10.0.1.2/32" },
    { link: "lo", address: "10.0.1.5/32" },
  ],
  routes: [
    { destination: "10.0.1.9/32", link: "tunnel", via: "10.0.1.3", source: "10.0.1.2", onlink: true },
    { destination: "10.0.1.7/32", link: "leg", source: "10.0.1.2" },
  ],
  neighbours: [{ link: "leg", address: "10.0.1.7", mac: "02:42:0a:00:01:07" }],
  fdb: [{ link: "tunnel", mac: "02:42:0a:00:01:03", destination: "192.168.7.2" }],
  sysctls: { "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.leg.rp_filter": "1" },
};

const steps = (now: ObservedNamespace, want: Namespace) => diffNamespace(now, want).map(describeOperation);

test("from nothing: each thing after what it needs", () => {
  expect(steps(EMPTY_NAMESPACE, NAMESPACE)).toEqual([
    "set net.ipv4.conf.all.rp_filter to 0",
    "add link leg",
    "add link tunnel",
    "set net.ipv4.conf.leg.rp_filter to 1",
    "put address 10.0.1.2/32 on tunnel",
    "put address 10.0.1.5/32 on lo",
    "put neighbour 10.0.1.7 on leg",
    "put fdb entry 02:42:0a:00:01:03 on tunnel",
    "put route 10.0.1.7/32 by leg",
    "put route 10.0.1.9/32 by tunnel",
  ]);
});

test("to nothing: what hangs on a link goes with it, what does not is removed", () => {
  expect(steps(NAMESPACE, EMPTY_NAMESPACE)).toEqual([
    "remove address 10.0.1.5/32 on lo",
    "remove link leg",
    "remove link tunnel",
  ]);
});

test("a tunnel with another id is made anew, with what was on it", () => {
  const links = NAMESPACE.links.map((link) => (link.kind === "vxlan" ? { ...link, vni: 4097 } : link));
  expect(steps(NAMESPACE, { ...NAMESPACE, links })).toEqual([
    "remove link tunnel",
    "add link tunnel",
    "put address 10.0.1.2/32 on tunnel",
    "put fdb entry 02:42:0a:00:01:03 on tunnel",
    "put route 10.0.1.9/32 by tunnel",
  ]);
});

test("what the value leaves to the kernel is no difference; what is down is raised", () => {
  const links = NAMESPACE.links.map((link) => ({ ...link, mac: "02:42:00:00:00:01", mtu: 1450 }));
  expect(steps({ ...NAMESPACE, links }, NAMESPACE)).toEqual([]);
  expect(steps({ ...NAMESPACE, links, down: ["lo", "tunnel"] }, NAMESPACE)).toEqual([
    "raise link lo",
    "raise link tunnel",
  ]);
});

test("a new MAC takes the link's neighbours along", () => {
  const links = NAMESPACE.links.map((link) =>
    link.kind === "veth" ? { ...link, mac: "02:42:00:00:00:02" } : link,
  );
  expect(steps(NAMESPACE, { ...NAMESPACE, links })).toEqual([
    "set link leg",
    "put neighbour 10.0.1.7 on leg",
  ]);
});

test("routes that went with an address are put again", () => {
  const want: Namespace = { ...NAMESPACE, addresses: [{ link: "tunnel", address: "10.0.1.2/24" }] };
  expect(steps(NAMESPACE, want)).toEqual([
    "remove address 10.0.1.2/32 on tunnel",
    "remove address 10.0.1.5/32 on lo",
    "put address 10.0.1.2/24 on tunnel",
    "put route 10.0.1.7/32 by leg",
    "put route 10.0.1.9/32 by tunnel",
  ]);
});

test("a route that differs is replaced, not removed", () => {
  const routes = NAMESPACE.routes.map((route) =>
    route.via === undefined ? route : { ...route, via: "10.0.1.4" },
  );
  expect(steps(NAMESPACE, { ...NAMESPACE, routes })).toEqual(["put route 10.0.1.9/32 by tunnel"]);
});

test("a table of ours that nobody knows is replaced when wanted, removed when not", () => {
  const table = { family: "ip" as const, name: "sh-host", sets: [], maps: [], chains: [] };
  const strange = [
    { family: "ip" as const, name: "sh-host" },
    { family: "ip6" as const, name: "sh-old" },
  ];
  expect(steps({ ...EMPTY_NAMESPACE, strange }, { ...EMPTY_NAMESPACE, tables: [table] })).toEqual([
    "put table ip sh-host",
    "remove table ip6 sh-old",
  ]);
});

test("a flow table comes after its devices, again when one of them is made again, and not for less", () => {
  const fast = { family: "inet", name: "sh-flow", sets: [], maps: [], chains: [] } as const;
  const flowtables = [{ name: "ways", devices: ["leg", "tunnel"] }];
  const want = { ...NAMESPACE, tables: [{ ...fast, flowtables }] };
  const last = (now: ObservedNamespace) => steps(now, want).filter((step) => /table|link/.test(step));
  const put = "put table inet sh-flow";
  expect(last(EMPTY_NAMESPACE)).toEqual(["add link leg", "add link tunnel", put]);
  const gone = want.links.filter(({ name }) => name !== "leg");
  expect(last({ ...want, links: gone })).toEqual(["add link leg", put]);
  const other = want.links.map((link) => (link.kind === "vxlan" ? { ...link, vni: 4097 } : link));
  expect(last({ ...want, links: other })).toEqual(["remove link tunnel", "add link tunnel", put]);
  expect(steps({ ...want, addresses: [] }, want).join()).not.toContain("table inet");
});
