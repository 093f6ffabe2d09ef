import { readFileSync } from "node:fs";
import type {
  FdbEntry,
  Link,
  Namespace,
  Neighbour,
  ObservedNamespace,
  Route,
  VethLink,
} from "../netstate/index.ts";
import type { NamespaceHandle } from "./namespace-handle.ts";
import { addressDump, RTM_GETADDR, readAddress } from "./netlink/ip-addresses.ts";
import type { RawLink } from "./netlink/links.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "./netlink/marks.ts";
import { fdbDump, neighbourDump, RTM_GETNEIGH, readNeighbour } from "./netlink/neighbours.ts";
import { RTM_GETROUTE, RTM_GETRULE, readRoute, readRule, routeDump, unruledOf } from "./netlink/routes.ts";

/** Links of any namespace of the node, for finding a veth's other end. */
export type LinksOf = (namespace: string) => readonly RawLink[];

/** Other end of a veth that is not where it should be, or of a device of a kind that we never make. */
const NOWHERE: VethLink["peer"] = { namespace: "", name: "" };

interface Reading {
  readonly handle: NamespaceHandle;
  readonly want: Namespace;
  readonly raw: readonly RawLink[];
  /** Names of our links (and lo) by index. */
  readonly names: ReadonlyMap<number, string>;
}

/** What is ours in a namespace, in the words of `want`: sysctls are read only where it names them. */
export function readNamespace(
  handle: NamespaceHandle,
  want: Namespace,
  tag: string,
  linksOf: LinksOf,
): ObservedNamespace {
  const raw = linksOf(handle.name);
  const ours = raw.filter((link) => isOurs(link, handle, want, tag));
  const names = new Map([[1, "lo"], ...ours.map((link) => [link.index, link.name] as const)]);
  const reading = { handle, want, raw, names };
  const lo = raw.find((link) => link.index === 1);
  const xfrm = handle.xfrm?.read();
  return {
    links: ours.map((link) => toLink(link, reading, linksOf)),
    down: [...(handle.shared || lo === undefined ? [] : [lo]), ...ours]
      .filter((l) => !l.up)
      .map((l) => l.name),
    addresses: readAddresses(reading),
    routes: readRoutes(reading),
    ...readRules(reading),
    neighbours: readNeighbours(reading),
    fdb: handle.shared ? [] : readFdb(reading),
    ...(isSandbox(want) ? handle.ipvs.read(want.ipvs) : {}),
    ...handle.inside(() => ({ sysctls: readSysctls(want), ...handle.tables.read() })),
    ...(xfrm !== undefined && { xfrm }),
  };
}

/** In the host's namespace the tag tells; elsewhere our mark, or the name: a link where ours has to be is in the way. */
export function isOurs(link: RawLink, handle: NamespaceHandle, want: Namespace, tag: string): boolean {
  if (handle.shared) return link.name.startsWith(`${tag}-`);
  return link.ours || want.links.some(({ name }) => name === link.name);
}

/** Where there is a tunnel. A task may have IPVS of its own. */
function isSandbox({ links }: Namespace): boolean {
  return links.some(({ kind }) => kind === "vxlan");
}

function toLink(link: RawLink, { handle, want, raw }: Reading, linksOf: LinksOf): Link {
  const master = raw.find(({ index }) => index === link.master)?.name;
  const base = {
    name: link.name,
    ...(link.mac !== undefined && { mac: link.mac }),
    ...(link.mtu !== undefined && { mtu: link.mtu }),
    ...(master !== undefined && { master }),
    ...(link.isolated && { isolated: true }),
  };
  if (link.kind === "bridge") return { kind: "bridge", ...base };
  if (link.kind === "vxlan" && link.vxlan !== undefined) return { kind: "vxlan", ...base, ...link.vxlan };
  const wanted = want.links.find(({ name }) => name === link.name);
  const found = link.kind === "veth" && wanted?.kind === "veth" && isPeer(link, wanted, handle.name, linksOf);
  return { kind: "veth", ...base, peer: found ? wanted.peer : NOWHERE };
}

/** Whether the two ends name each other. */
function isPeer(link: RawLink, { peer }: VethLink, namespace: string, linksOf: LinksOf): boolean {
  if (link.peer === undefined || peer.namespace === namespace) return false;
  const other = linksOf(peer.namespace).find(({ name }) => name === peer.name);
  return other?.kind === "veth" && other.index === link.peer && other.peer === link.index;
}

/** On loopback only what bears our mark; an address that we want is ours whoever made it. */
function readAddresses({ handle, want, names }: Reading): { link: string; address: string }[] {
  const wanted = new Set(want.addresses.map(({ link, address }) => `${link} ${address}`));
  return handle.route.dump(RTM_GETADDR, addressDump()).flatMap((message) => {
    const { index, address, ours, kernels } = readAddress(message);
    const link = names.get(index);
    if (link === undefined || kernels) return [];
    const counts = ours || (handle.shared && link !== "lo") || wanted.has(`${link} ${address}`);
    return counts ? [{ link, address }] : [];
  });
}

function readRoutes({ handle, names }: Reading): Route[] {
  return handle.route.dump(RTM_GETROUTE, routeDump()).flatMap((message) => {
    const { index, ours, route } = readRoute(message);
    const link = names.get(index ?? 0);
    return ours && link !== undefined ? [{ ...route, link }] : [];
  });
}

/** Routes on our links that others made, the kernel among them. */
export function readOtherRoutes(handle: NamespaceHandle, { links }: Namespace): Route[] {
  const ours = new Set(links.map(({ name }) => name));
  return handle.route.dump(RTM_GETROUTE, routeDump()).flatMap((message) => {
    const { index, others, route } = readRoute(message);
    const link = others && index !== undefined ? handle.nameOf(index) : undefined;
    return link !== undefined && ours.has(link) ? [{ ...route, link }] : [];
  });
}

/** In a namespace of our own the kernel's rule to the main table is as needed as ours. */
function readRules({ handle }: Reading): Pick<ObservedNamespace, "rules" | "unruled"> {
  if (handle.shared) return { rules: [] };
  const rules = handle.route.dump(RTM_GETRULE, routeDump());
  const unruled = unruledOf(rules);
  return { rules: rules.flatMap((m) => readRule(m) ?? []), ...(unruled.length > 0 && { unruled }) };
}

function readNeighbours({ handle, names }: Reading): Neighbour[] {
  return handle.route.dump(RTM_GETNEIGH, neighbourDump()).flatMap((message) => {
    const { index, permanent, family, address, mac } = readNeighbour(message);
    const link = names.get(index);
    if (!permanent || (family !== AF_INET && family !== AF_INET6) || link === undefined) return [];
    return address === undefined || mac === undefined ? [] : [{ link, address, mac }];
  });
}

/** Entries with a tunnel endpoint; a device's own addresses have none. */
function readFdb({ handle, names }: Reading): FdbEntry[] {
  return handle.route.dump(RTM_GETNEIGH, fdbDump()).flatMap((message) => {
    const { index, family, address, mac } = readNeighbour(message);
    const link = names.get(index);
    if (family !== AF_BRIDGE || link === undefined) return [];
    return address === undefined || mac === undefined ? [] : [{ link, mac, destination: address }];
  });
}

/** Called inside the namespace: /proc/sys/net shows that of the thread which opens it. */
function readSysctls({ sysctls }: Namespace): Record<string, string> {
  return Object.fromEntries(
    Object.keys(sysctls).flatMap((key) => {
      const value = readSysctl(key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(sysctlPath(key), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** "net.ipv4.conf.eth0.rp_filter" as a file. Names of devices of ours have no dot. */
export function sysctlPath(key: string): string {
  return `/proc/sys/${key.replaceAll(".", "/")}`;
}
