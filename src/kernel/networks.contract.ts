import fc from "fast-check";
import {
  EMPTY_NAMESPACE,
  HOST,
  type Link,
  type Namespace,
  type NftTable,
  type NodeNetwork,
} from "../netstate/index.ts";

/** Values for property tests: small networks that hang together (each veth has its other end, each route a link). */

const BOXES = ["box-a", "box-b"] as const;
const BACKENDS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"] as const;

/** A balancer's table: services with some of three backends, named by a verdict map; ports in a concatenated map; a set. */
export const anyTable = (name: string): fc.Arbitrary<NftTable> =>
  fc
    .record({
      services: fc.uniqueArray(fc.constantFrom("a", "b", "c")),
      backends: fc.subarray([...BACKENDS], { minLength: 1 }),
      peers: fc.subarray([...BACKENDS]),
      ports: fc.subarray([80, 443, 8080]),
      target: fc.integer({ min: 1, max: 3 }),
      priority: fc.constantFrom("dstnat", "-100"),
    })
    .map(({ services, backends, peers, ports, target, priority }) => ({
      family: "ip",
      name,
      sets: [{ name: "peers", type: "ipv4_addr", elements: peers }],
      maps: [
        {
          name: "vips",
          key: "ipv4_addr",
          value: "verdict",
          elements: Object.fromEntries(services.map((s) => [`10.0.9.${s.charCodeAt(0)}`, `goto vip-${s}`])),
        },
        {
          name: "ports",
          key: "inet_proto . inet_service",
          value: "ipv4_addr . inet_service",
          elements: Object.fromEntries(ports.map((p) => [`tcp . ${p}`, `10.0.0.${target} . 80`])),
        },
      ],
      chains: [
        ...services.map((service) => ({ name: `vip-${service}`, rules: [`dnat to ${drawOf(backends)}`] })),
        {
          name: "prerouting",
          base: { type: "nat", hook: "prerouting", priority, policy: "accept" },
          rules: ["ip daddr vmap @vips", ...peers.map((peer) => `ip saddr ${peer} accept`)],
        },
      ],
    }));

function drawOf(backends: readonly string[]): string {
  const [only = ""] = backends;
  if (backends.length === 1) return only;
  return `numgen inc mod ${backends.length} map { ${backends.map((b, i) => `${i} : ${b}`).join(", ")} }`;
}

interface Leg {
  readonly box: (typeof BOXES)[number];
  readonly mtu: number;
  readonly mac: number;
  readonly last: number;
  /** How it is a port of the bridge, if it is one. */
  readonly port: Pick<Link, "master" | "isolated">;
}

const anyLeg = (box: Leg["box"]): fc.Arbitrary<Leg> =>
  fc.record({
    box: fc.constant(box),
    mtu: fc.constantFrom(1400, 1500),
    mac: fc.integer({ min: 1, max: 2 }),
    port: fc.constantFrom({}, { master: "sh-br" }, { master: "sh-br", isolated: true }),
    last: fc.integer({ min: 1, max: 3 }),
  });

const mac = (n: number): string => `02:42:00:00:00:0${n}`;

/** A host with a bridge and a leg into each of some boxes; each box has a tunnel. */
export const anyNetwork: fc.Arbitrary<NodeNetwork> = fc
  .record({
    legs: fc.tuple(...BOXES.map((box) => fc.option(anyLeg(box), { nil: undefined }))),
    table: fc.option(anyTable("sh-host"), { nil: undefined }),
    vni: fc.integer({ min: 70, max: 71 }),
    source: fc.boolean(),
    forward: fc.constantFrom("0", "1"),
  })
  .map(({ legs, table, vni, source, forward }) => {
    const there = legs.filter((leg) => leg !== undefined);
    return {
      namespaces: {
        [HOST]: hostOf(there, table, source, forward),
        ...Object.fromEntries(there.map((leg, i) => [leg.box, boxOf(leg, vni + 10 * i)])),
      },
    };
  });

function hostOf(
  legs: readonly Leg[],
  table: NftTable | undefined,
  source: boolean,
  forward: string,
): Namespace {
  const name = (leg: Leg) => `sh-${leg.box}`;
  return {
    ...EMPTY_NAMESPACE,
    links: [
      // The MTU that it has by itself is its ports' least.
      { kind: "bridge", name: "sh-br", mac: mac(9) },
      ...legs.map(
        (leg): Link => ({
          kind: "veth",
          name: name(leg),
          mac: mac(leg.mac),
          mtu: leg.mtu,
          ...leg.port,
          peer: { namespace: leg.box, name: "eth0" },
        }),
      ),
    ],
    addresses: [{ link: "sh-br", address: "172.18.0.1/16" }],
    routes: legs.map((leg) => ({
      destination: `172.18.1.${leg.last + (leg.box === "box-a" ? 10 : 20)}/32`,
      link: name(leg),
      ...(source && { source: "172.18.0.1" }),
    })),
    neighbours: legs.map((leg) => ({ link: name(leg), address: "172.18.1.9", mac: mac(leg.mac) })),
    sysctls: {
      "net.ipv4.ip_forward": forward,
      ...Object.fromEntries(legs.map((leg) => [`net.ipv4.conf.${name(leg)}.rp_filter`, forward])),
    },
    tables: table === undefined ? [] : [table],
  };
}

function boxOf(leg: Leg, vni: number): Namespace {
  return {
    ...EMPTY_NAMESPACE,
    links: [
      {
        kind: "veth",
        name: "eth0",
        mac: mac(leg.mac + 2),
        mtu: leg.mtu,
        peer: { namespace: HOST, name: `sh-${leg.box}` },
      },
      { kind: "vxlan", name: "sh-v", mac: mac(7), mtu: 1400, vni, local: "192.168.7.1", port: 4789 },
    ],
    addresses: [{ link: "eth0", address: `10.0.1.${leg.last}/24` }],
    routes: [{ destination: "default", link: "sh-v", via: `10.0.2.${leg.last}`, onlink: true, table: 100 }],
    rules: [{ priority: 100, from: `10.0.1.${leg.last}/32`, table: 100 }],
    neighbours: [{ link: "sh-v", address: `10.0.2.${leg.last}`, mac: mac(leg.mac) }],
    fdb: [{ link: "sh-v", mac: mac(leg.mac), destination: `192.168.7.${leg.last + 1}` }],
  };
}
