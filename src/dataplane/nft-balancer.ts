import { remembered } from "../lib/index.ts";
import type { Address, NftChain, NftMap, NftSet } from "../netstate/index.ts";
import type { Backend, Balancer, Balancing, PublishedService, VirtualService } from "./balancer.ts";
import { Derived } from "./derived.ts";

/**
 * Balances with nftables: a verdict map from VIP (or published port) to the service's own chain, which draws a backend
 * by turns (`numgen inc`, nft(8)). Connection tracking then keeps the connection there.
 *
 * VIPs are addresses of `lo`: the sandbox answers ARP for them by itself, and what no chain has translated is for
 * the sandbox, where nobody listens, so that the kernel refuses it (TCP reset, ICMP port unreachable).
 */
export const nftBalancer: Balancer = (wanted) => {
  const family = FAMILIES[wanted.family ?? "ip"];
  return {
    addresses: family.loopbacks.of(wanted.virtual),
    sysctls: {},
    tables: [
      {
        family: family.word,
        name: wanted.table,
        sets: [selfPairs(family.type, wanted.tasks)],
        maps: [family.vipMap(VIPS.of(wanted.virtual)), ...portMap(wanted.published)],
        chains: VIP_CHAINS.of(wanted.virtual).concat(family.portChains.of(wanted.published), [
          prerouting(family, wanted),
          postrouting(family.word, wanted.address),
        ]),
      },
    ],
  };
};

/** What nft calls a family and its addresses, the length of an address, and an address with a port behind it. */
interface Family {
  readonly word: "ip" | "ip6";
  readonly type: string;
  readonly bits: number;
  at(address: string, port: number): string;
  readonly loopbacks: Derived<VirtualService, Address>;
  readonly portChains: Derived<PublishedService, NftChain>;
  readonly vipMap: (elements: readonly Element[]) => NftMap;
}

const FAMILIES: Readonly<Record<"ip" | "ip6", Family>> = {
  ip: familyOf("ip", "ipv4_addr", 32, (address, port) => `${address}:${port}`),
  ip6: familyOf("ip6", "ipv6_addr", 128, (address, port) => `[${address}]:${port}`),
};

function familyOf(word: Family["word"], type: string, bits: number, at: Family["at"]): Family {
  return {
    ...{ word, type, bits, at },
    loopbacks: new Derived(({ vip }) => [{ link: "lo", address: `${vip}/${bits}` }]),
    portChains: new Derived((service) => [portChain({ word, at }, service)]),
    vipMap: remembered((elements) => ({
      ...{ name: "vips", key: type, value: "verdict", elements: Object.fromEntries(elements) },
    })),
  };
}

function prerouting({ word }: Family, { published }: Balancing): NftChain {
  const entry = published[0];
  const portRule =
    entry && `iifname "${entry.link}" ${word} daddr ${entry.address} meta l4proto . th dport vmap @ports`;
  return {
    name: "prerouting",
    base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
    rules: [...(portRule === undefined ? [] : [portRule]), `${word} daddr vmap @vips`],
  };
}

/** A task that drew itself would answer itself directly, past the translation: so it sees the sandbox's address. */
export function postrouting(word: Family["word"], address: string): NftChain {
  return {
    name: "postrouting",
    base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
    rules: [`${word} saddr . ${word} daddr @self snat to ${address}`],
  };
}

export function selfPairs(type: string, tasks: readonly string[]): NftSet {
  return { name: "self", type: `${type} . ${type}`, elements: tasks.map((task) => `${task} . ${task}`) };
}

type Element = readonly [key: string, verdict: string];

const VIPS = new Derived((service: VirtualService): Element[] => [[service.vip, `goto ${vipName(service)}`]]);

const PORTS = new Derived((service: PublishedService): Element[] => {
  const { protocol, published } = service.port;
  return [[`${protocol} . ${published}`, `goto ${portName(service)}`]];
});

const portMapOf = remembered((elements: readonly Element[]): NftMap[] => [
  {
    ...{ name: "ports", key: "inet_proto . inet_service", value: "verdict" },
    elements: Object.fromEntries(elements),
  },
]);

function portMap(services: readonly PublishedService[]): readonly NftMap[] {
  return services.length === 0 ? [] : portMapOf(PORTS.of(services));
}

const VIP_CHAINS = new Derived((service: VirtualService): NftChain[] => {
  const target = draw(service.backends);
  return [{ name: vipName(service), rules: target === undefined ? [] : [`dnat to ${target}`] }];
});

function portChain(family: Pick<Family, "word" | "at">, service: PublishedService): NftChain {
  const { protocol } = service.port;
  const rules = drawPort(family, service.backends).map((to) => `meta l4proto ${protocol} dnat ${to}`);
  return { name: portName(service), rules };
}

function draw(backends: readonly string[]): string | undefined {
  return backends.length > 1 ? numgen(backends) : backends[0];
}

function drawPort(family: Pick<Family, "word" | "at">, backends: readonly Backend[]): string[] {
  if (backends.length > 1)
    return [`${family.word} to ${numgen(backends.map(({ address, port }) => `${address} . ${port}`))}`];
  return backends.map(({ address, port }) => `to ${family.at(address, port)}`);
}

function numgen(values: readonly string[]): string {
  const elements = values.map((value, i) => `${i} : ${value}`).join(", ");
  return `numgen inc mod ${values.length} map { ${elements} }`;
}

const vipName = (service: VirtualService): string => `vip-${service.serviceId}`;
const portName = ({ serviceId, port }: PublishedService): string =>
  `port-${serviceId}-${port.protocol}-${port.published}`;
