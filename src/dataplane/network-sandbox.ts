import { subnetsOf } from "../lib/index.ts";
import type { Address, FdbEntry, Link, Namespace, Neighbour, Route } from "../netstate/index.ts";
import { macOf } from "./addresses.ts";
import type { BalancerPart } from "./balancer.ts";
import { Derived } from "./derived.ts";
import { encryptedPort } from "./encryption.ts";
import type { NodeSettings } from "./facts.ts";
import { type Names, netnsNameOf } from "./names.ts";
import type { Remote, Survey } from "./survey.ts";

/**
 * What every sandbox of a node on a network has: the tunnel, a routed leg per local task, a route per remote one.
 * Nothing is bridged or learned; only what a manager listed can be reached.
 */
export function networkSandbox(
  names: Names,
  self: NodeSettings,
  survey: Survey,
  balancing: BalancerPart,
): Namespace {
  const vxlan = names.vxlan(survey.network.vni);
  return {
    links: linksOf(names, self, survey),
    addresses: ownAddresses(survey, vxlan).concat(balancing.addresses),
    routes: legRoutes(names, survey).concat(peerRoutes(survey, vxlan)),
    rules: [],
    neighbours: [...legNeighbours(names, survey), ...peerNeighbours(survey, vxlan)],
    fdb: fdbOf(survey, vxlan),
    sysctls: { ...routerSysctls(vxlan), ...legSysctls(names, survey), ...balancing.sysctls },
    tables: balancing.tables,
    ...(balancing.ipvs !== undefined && { ipvs: balancing.ipvs }),
  };
}

function linksOf(names: Names, self: NodeSettings, { network, address, legs }: Survey): Link[] {
  const common = { mtu: network.mtu };
  const vxlan: Link = {
    kind: "vxlan",
    name: names.vxlan(network.vni),
    mac: macOf(address),
    vni: network.vni,
    local: self.dataPathAddress,
    port: network.encrypted ? encryptedPort(self) : self.dataPathPort,
    ...(network.encrypted && { encrypted: true }),
    ...common,
  };
  // All legs have the gateway's MAC: what a task remembers of its router stays true when a leg is made anew.
  const mac = macOf(network.gateway);
  const ends = legs.map(({ taskId, ethernet }): Link => {
    const peer = { namespace: netnsNameOf(taskId), name: ethernet };
    return { kind: "veth", name: names.taskLeg(taskId), mac, peer, ...common };
  });
  return [vxlan, ...ends];
}

function ownAddresses({ network, address }: Survey, vxlan: string): Address[] {
  return [
    { link: vxlan, address: `${address}/32` },
    ...subnetsOf(network).map(({ gateway }) => ({ link: "lo", address: `${gateway}/32` })),
  ];
}

/** The `source` is what the sandbox's own ICMP messages bear; without it the kernel would take any VIP. */
function legRoutes(names: Names, { address, legs }: Survey): Route[] {
  return legs
    .filter((leg) => leg.routed)
    .map((leg) => ({ destination: `${leg.address}/32`, link: names.taskLeg(leg.taskId), source: address }));
}

function peerRoutes({ address, peers, remotes }: Survey, link: string): Route[] {
  const nodes = peers.map((peer): Route => ({ destination: `${peer.address}/32`, link, source: address }));
  return nodes.concat(ROUTES.of(remotes, link, address));
}

const ROUTES = new Derived(({ address, via }: Remote, link = "", source = ""): Route[] => [
  { destination: `${address}/32`, link, via, source, onlink: true },
]);

function legNeighbours(names: Names, { legs }: Survey): Neighbour[] {
  return legs
    .filter((leg) => leg.routed)
    .map((leg) => ({ link: names.taskLeg(leg.taskId), address: leg.address, mac: macOf(leg.address) }));
}

function peerNeighbours({ peers }: Survey, link: string): Neighbour[] {
  return peers.map((peer) => ({ link, address: peer.address, mac: macOf(peer.address) }));
}

function fdbOf({ peers }: Survey, link: string): FdbEntry[] {
  return peers.map((peer) => ({ link, mac: macOf(peer.address), destination: peer.dataPathAddress }));
}

/** A new namespace inherits "all" and "default" from the machine's first one (ip-sysctl: devconf_inherit_init_net). */
function routerSysctls(vxlan: string): Record<string, string> {
  const conf = (link: string, key: string) => `net.ipv4.conf.${link}.${key}`;
  const everywhere = ["all", "default", vxlan].flatMap((link) =>
    ["rp_filter", "arp_ignore", "send_redirects"].map((key) => [conf(link, key), "0"] as const),
  );
  return {
    "net.ipv4.ip_forward": "1",
    // Nobody listens in a sandbox: to look for a socket before the route is for nothing (ip-sysctl).
    "net.ipv4.ip_early_demux": "0",
    ...Object.fromEntries(everywhere),
  };
}

/**
 * Per leg: answer ARP for all that the sandbox has a route to, at once (the default waits up to 0.8 s, arp(7)
 * proxy_delay); take only packets whose source is routed to this leg, so that no task speaks in another's name.
 */
function legSysctls(names: Names, { legs }: Survey): Record<string, string> {
  const rows = legs.flatMap(({ taskId }): [string, string][] => {
    const leg = names.taskLeg(taskId);
    return [
      [`net.ipv4.conf.${leg}.proxy_arp`, "1"],
      [`net.ipv4.neigh.${leg}.proxy_delay`, "0"],
      [`net.ipv4.conf.${leg}.rp_filter`, "1"],
      [`net.ipv4.conf.${leg}.send_redirects`, "0"],
    ];
  });
  return Object.fromEntries(rows);
}
