import type { NftChain, NftMap, NftSet } from "../netstate/index.ts";
import type { Balancer, Balancing, PublishedService, VirtualService } from "./balancer.ts";

/**
 * Balances with nftables: a verdict map from VIP (or published port) to the service's own chain, which draws a backend
 * by turns (`numgen inc`, nft(8)). Connection tracking then keeps the connection there.
 *
 * VIPs are addresses of `lo`: the sandbox answers ARP for them by itself, and what no chain has translated is for
 * the sandbox, where nobody listens, so that the kernel refuses it (TCP reset, ICMP port unreachable).
 */
export const nftBalancer: Balancer = (wanted) => ({
  addresses: wanted.virtual.map(({ vip }) => ({ link: "lo", address: `${vip}/32` })),
  sysctls: {},
  tables: [
    {
      family: "ip",
      name: wanted.table,
      sets: [selfPairs(wanted.tasks)],
      maps: [vipMap(wanted.virtual), ...portMap(wanted.published)],
      chains: [
        ...wanted.virtual.map(vipChain),
        ...wanted.published.map(portChain),
        prerouting(wanted),
        postrouting(wanted.address),
      ],
    },
  ],
});

function prerouting({ published }: Balancing): NftChain {
  const entry = published[0];
  const portRule =
    entry && `iifname "${entry.link}" ip daddr ${entry.address} meta l4proto . th dport vmap @ports`;
  return {
    name: "prerouting",
    base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
    rules: [...(portRule === undefined ? [] : [portRule]), "ip daddr vmap @vips"],
  };
}

/** A task that drew itself would answer itself directly, past the translation: so it sees the sandbox's address. */
function postrouting(address: string): NftChain {
  return {
    name: "postrouting",
    base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
    rules: [`ip saddr . ip daddr @self snat to ${address}`],
  };
}

function selfPairs(tasks: readonly string[]): NftSet {
  return { name: "self", type: "ipv4_addr . ipv4_addr", elements: tasks.map((task) => `${task} . ${task}`) };
}

function vipMap(services: readonly VirtualService[]): NftMap {
  const elements = Object.fromEntries(services.map((s) => [s.vip, `goto ${vipName(s)}`]));
  return { name: "vips", key: "ipv4_addr", value: "verdict", elements };
}

function portMap(services: readonly PublishedService[]): NftMap[] {
  if (services.length === 0) return [];
  const elements = Object.fromEntries(
    services.map((s) => [`${s.port.protocol} . ${s.port.published}`, `goto ${portName(s)}`]),
  );
  return [{ name: "ports", key: "inet_proto . inet_service", value: "verdict", elements }];
}

function vipChain(service: VirtualService): NftChain {
  const target = draw(service.backends);
  return { name: vipName(service), rules: target === undefined ? [] : [`dnat to ${target}`] };
}

function portChain(service: PublishedService): NftChain {
  const { protocol, target: port } = service.port;
  const rules = drawPort(service.backends, port).map((to) => `meta l4proto ${protocol} dnat ${to}`);
  return { name: portName(service), rules };
}

function draw(backends: readonly string[]): string | undefined {
  return backends.length > 1 ? numgen(backends) : backends[0];
}

function drawPort(backends: readonly string[], port: number): string[] {
  if (backends.length > 1) return [`ip to ${numgen(backends.map((address) => `${address} . ${port}`))}`];
  return backends.map((address) => `to ${address}:${port}`);
}

function numgen(values: readonly string[]): string {
  const elements = values.map((value, i) => `${i} : ${value}`).join(", ");
  return `numgen inc mod ${values.length} map { ${elements} }`;
}

const vipName = (service: VirtualService): string => `vip-${service.serviceId}`;
const portName = ({ serviceId, port }: PublishedService): string =>
  `port-${serviceId}-${port.protocol}-${port.published}`;
