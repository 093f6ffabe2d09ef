import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Fault, messageOf } from "../lib/index.ts";
import {
  describeOperation,
  type Link,
  type LinkSetting,
  type NodeNetwork,
  type Operation,
  type Route,
  type RouteRule,
  type VethLink,
} from "../netstate/index.ts";
import type { NamespaceHandle } from "./namespace-handle.ts";
import { addressBody, RTM_DELADDR, RTM_NEWADDR } from "./netlink/ip-addresses.ts";
import {
  changeLink,
  doomedLink,
  doomedLinks,
  isolatePort,
  linkHeader,
  linkUp,
  newBridge,
  newVeth,
  newVxlan,
  RTM_DELLINK,
  RTM_NEWLINK,
} from "./netlink/links.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./netlink/marks.ts";
import { fdbBody, neighbourBody, RTM_DELNEIGH, RTM_NEWNEIGH } from "./netlink/neighbours.ts";
import {
  mainRuleBody,
  putRouteBody,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_NEWROUTE,
  RTM_NEWRULE,
  removeRouteBody,
  ruleBody,
} from "./netlink/routes.ts";
import type { Refusal } from "./netlink/socket.ts";
import { switchGroOff } from "./offloads.ts";
import { sysctlPath } from "./read-namespace.ts";

const FORWARDING6 = "net.ipv6.conf.all.forwarding";

/** What one round of changes has to know beyond the namespace at hand. */
export interface Round {
  readonly wanted: NodeNetwork;
  readonly host: NamespaceHandle;
  handleOf(namespace: string): NamespaceHandle | undefined;
  /** Ends of veth pairs made in this round, as "namespace name": both ends come with the first. */
  readonly made: Set<string>;
}

const PUT = NLM_F_CREATE | NLM_F_REPLACE;
const NEW = NLM_F_CREATE | NLM_F_EXCL;
/** ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL: what is to be removed is gone already. */
const GONE: ReadonlySet<number> = new Set([2, 3, 19, 99]);
const EEXIST = 17;
const ENODEV = 19;

type Handler<K extends Operation["op"]> = (
  operation: Extract<Operation, { readonly op: K }>,
  handle: NamespaceHandle,
  round: Round,
) => Refusal | undefined;

const HANDLERS: { readonly [K in Operation["op"]]: Handler<K> } = {
  "set-sysctl": ({ key, value }, handle) =>
    done(handle, () => {
      if (handle.shared && key === FORWARDING6 && value === "1") keepAdvertisements();
      writeFileSync(sysctlPath(key), value);
    }),
  "put-table": ({ table }, handle) => done(handle, () => handle.tables.put(table)),
  "change-table": ({ from, table }, handle) => done(handle, () => handle.tables.change(from, table)),
  "remove-table": ({ table }, handle) => done(handle, () => handle.tables.remove(table)),
  "remove-link": ({ name }, handle) => removeLink(handle, name),
  "add-link": ({ link }, handle, round) => addLink(handle, link, round),
  "set-link": ({ link, changes }, handle) => setLink(handle, link, changes),
  "raise-link": ({ name }, handle) => ask(handle, RTM_NEWLINK, 0, name, linkUp),
  "remove-address": ({ address }, handle) =>
    ask(handle, RTM_DELADDR, 0, address.link, (link) => addressBody(link, address)),
  "put-address": ({ address }, handle) =>
    ask(handle, RTM_NEWADDR, PUT, address.link, (link) => addressBody(link, address)),
  "remove-route": ({ route }, handle) =>
    ask(handle, RTM_DELROUTE, 0, route.link, (link) => removeRouteBody(link, route)),
  "put-route": ({ route }, handle) => putRoute(handle, route),
  "remove-rule": ({ rule }, { route }) => route.request(RTM_DELRULE, 0, ruleBody(rule)),
  "put-rule": ({ rule }, handle) => putRule(handle, rule),
  "restore-rule": ({ family }, { route }) => route.request(RTM_NEWRULE, NEW, mainRuleBody(family)),
  "remove-neighbour": ({ neighbour }, handle) =>
    ask(handle, RTM_DELNEIGH, 0, neighbour.link, (link) => neighbourBody(link, neighbour)),
  "put-neighbour": ({ neighbour }, handle) =>
    ask(handle, RTM_NEWNEIGH, PUT, neighbour.link, (link) => neighbourBody(link, neighbour)),
  "remove-fdb": ({ entry }, handle) =>
    ask(handle, RTM_DELNEIGH, 0, entry.link, (link) => fdbBody(link, entry)),
  "put-fdb": ({ entry }, handle) =>
    ask(handle, RTM_NEWNEIGH, PUT, entry.link, (link) => fdbBody(link, entry)),
  "put-xfrm-state": (operation, handle) => handle.xfrm?.run(operation),
  "put-xfrm-policy": (operation, handle) => handle.xfrm?.run(operation),
  "remove-xfrm-policy": (operation, handle) => handle.xfrm?.run(operation),
  "remove-xfrm-state": (operation, handle) => handle.xfrm?.run(operation),
  "set-timeouts": ({ timeouts }, { ipvs }) => ipvs.setTimeouts(timeouts),
  "put-service": ({ service }, { ipvs }) => ipvs.putService(service),
  "remove-service": ({ mark }, { ipvs }) => ipvs.removeService(mark),
  "put-destination": ({ mark, destination }, { ipvs }) => ipvs.putDestination(mark, destination),
  "drain-destination": ({ mark, destination }, { ipvs }) => ipvs.drainDestination(mark, destination),
  "remove-destination": ({ mark, destination }, { ipvs }) => ipvs.removeDestination(mark, destination),
  "end-draining": ({ address }, { ipvs }) => ipvs.endDraining(address),
};

/** Does one operation in one namespace; Fault when the kernel refuses. What is to be removed may be gone already. */
export function execute(operation: Operation, handle: NamespaceHandle, round: Round): void {
  try {
    const refusal = (HANDLERS[operation.op] as Handler<Operation["op"]>)(operation, handle, round);
    const gone = refusal !== undefined && operation.op.startsWith("remove-") && GONE.has(refusal.errno);
    if (refusal !== undefined && !gone) throw new Fault("internal", refusal.text);
  } catch (cause) {
    const reason = messageOf(cause).replace(/^cannot change nftables: /, "");
    throw new Fault("internal", `cannot ${describeOperation(operation)}: ${reason}`, { cause });
  }
}

function done(handle: NamespaceHandle, work: () => void): undefined {
  handle.inside(work);
}

/** One request about a thing on a link. */
function ask(
  handle: NamespaceHandle,
  type: number,
  flags: number,
  link: string,
  body: (index: number) => Buffer,
): Refusal | undefined {
  const found = handle.indexOf(link);
  return found === undefined ? noLink(link) : handle.route.request(type, flags, body(found));
}

function addLink(handle: NamespaceHandle, link: Link, round: Round): Refusal | undefined {
  const refusal = makeLink(handle, link, round);
  if (refusal !== undefined) return refusal;
  if (handle.shared) handle.inside(() => disableIpv6(link.name));
  // Out of an encrypted one nothing could be merged before. Tried, not asked: a tunnel that merges twice is slower, and as good.
  if (link.kind === "vxlan" && !link.encrypted) handle.inside(() => switchGroOff(link.name));
  return setLink(handle, link, [
    ...(link.master === undefined ? [] : (["master"] as const)),
    ...(link.isolated ? (["isolated"] as const) : []),
    ...(link.kind === "bridge" && link.mtu !== undefined ? (["mtu"] as const) : []),
  ]);
}

function makeLink(handle: NamespaceHandle, link: Link, round: Round): Refusal | undefined {
  switch (link.kind) {
    case "bridge":
      return handle.route.request(RTM_NEWLINK, NEW, newBridge(link));
    case "vxlan":
      if (link.encrypted && round.host.xfrm?.guards(link.port) !== true)
        throw new Fault("unsupported", "it would run in clear: the kernel has no IPsec policy at its port");
      return round.host.route.request(RTM_NEWLINK, NEW, newVxlan(link, handle.fd));
    case "veth":
      return round.made.has(`${handle.name} ${link.name}`) ? undefined : makePair(handle, link, round);
  }
}

function makePair(handle: NamespaceHandle, link: VethLink, round: Round): Refusal | undefined {
  const { namespace, name } = link.peer;
  const other = round.handleOf(namespace);
  const peer = round.wanted.namespaces[namespace]?.links.find((candidate) => candidate.name === name);
  const mutual = peer?.kind === "veth" && peer.peer.namespace === handle.name && peer.peer.name === link.name;
  if (other === undefined || !mutual)
    throw new Fault("invalid", `its other end ${name} in ${namespace} is missing`);
  const refusal = handle.route.request(RTM_NEWLINK, NEW, newVeth(link, peer, other.fd));
  if (refusal === undefined) round.made.add(`${handle.name} ${link.name}`).add(`${namespace} ${name}`);
  return refusal;
}

/**
 * A host that forwards IPv6 hears no router advertisements any more, and forgets the routes that it has from them, unless it is told to
 * (ip-sysctl: accept_ra 2): so where they were heard, they are.
 */
function keepAdvertisements(): void {
  const folder = "/proc/sys/net/ipv6/conf";
  for (const link of readdirSync(folder)) {
    if (link === "all" || link === "lo") continue;
    const path = `${folder}/${link}/accept_ra`;
    try {
      if (readFileSync(path, "utf8").trim() === "1") writeFileSync(path, "2");
    } catch {
      // The link went away meanwhile.
    }
  }
}

/** The host's own default may be to give every link a link-local address; ours in there want none. */
function disableIpv6(link: string): void {
  try {
    writeFileSync(sysctlPath(`net.ipv6.conf.${link}.disable_ipv6`), "1");
  } catch {
    // A kernel without IPv6 has nothing to disable.
  }
}

function setLink(
  handle: NamespaceHandle,
  { name, mac, mtu, master, isolated = false }: Link,
  changes: readonly LinkSetting[],
): Refusal | undefined {
  const found = handle.indexOf(name);
  const bridge = master === undefined ? 0 : handle.indexOf(master);
  if (found === undefined) return noLink(name);
  if (bridge === undefined) return noLink(master ?? "");
  const body = changeLink(found, {
    ...(mac !== undefined && changes.includes("mac") && { mac }),
    ...(mtu !== undefined && changes.includes("mtu") && { mtu }),
    ...(changes.includes("master") && { master: bridge }),
  });
  const refusal = handle.route.request(RTM_NEWLINK, 0, body);
  // A port that comes to a bridge begins as one that is not.
  const asks = changes.includes("isolated") || (changes.includes("master") && isolated);
  if (refusal !== undefined || !asks || master === undefined) return refusal;
  return handle.route.request(RTM_NEWLINK, 0, isolatePort(found, isolated));
}

/** Removes links all at once: they are put in a group of the doomed, and the group is removed. */
export function removeLinks(handle: NamespaceHandle, names: readonly string[]): void {
  const there = names.flatMap((name) => handle.indexOf(name) ?? []);
  for (const index of there) handle.route.request(RTM_NEWLINK, 0, doomedLink(index));
  const refusal = there.length === 0 ? undefined : handle.route.request(RTM_DELLINK, 0, doomedLinks());
  handle.forgetLinks();
  if (refusal !== undefined && !GONE.has(refusal.errno))
    throw new Fault("internal", `cannot remove links ${names.slice(0, 3).join(", ")}: ${refusal.text}`);
}

function removeLink(handle: NamespaceHandle, name: string): Refusal | undefined {
  const refusal = ask(handle, RTM_DELLINK, 0, name, (index) => linkHeader(index));
  handle.forgetLinks();
  return refusal;
}

/**
 * In the host's namespace a route that others have to the same place stays, and comes before ours: only what is ours makes room. (To replace
 * is to replace the first one, whoever made it.)
 */
function putRoute(handle: NamespaceHandle, route: Route): Refusal | undefined {
  const put = (flags: number) =>
    ask(handle, RTM_NEWROUTE, flags, route.link, (link) => putRouteBody(link, route));
  if (!handle.shared) return put(PUT);
  const refusal = put(NEW);
  if (refusal?.errno !== EEXIST) return refusal;
  handle.route.request(RTM_DELROUTE, 0, removeRouteBody(undefined, route));
  return put(NLM_F_CREATE | NLM_F_APPEND);
}

/** The kernel takes no second rule like this one, not even under another protocol: then it makes room first. */
function putRule({ route }: NamespaceHandle, rule: RouteRule): Refusal | undefined {
  const body = ruleBody(rule);
  const refusal = route.request(RTM_NEWRULE, NEW, body);
  if (refusal?.errno !== EEXIST) return refusal;
  route.request(RTM_DELRULE, 0, body);
  return route.request(RTM_NEWRULE, NEW, body);
}

const noLink = (name: string): Refusal => ({ errno: ENODEV, text: `there is no link ${name}` });
