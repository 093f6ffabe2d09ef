import {
  HOST,
  type Link,
  type ObservedNamespace,
  type Route,
  type VxlanLink,
  type XfrmPolicy,
} from "../netstate/index.ts";
import { type Connection, isIp6, type KernelState } from "./packet.ts";
import { direct, isDown } from "./routing.ts";

/** Where a packet comes out that is sent by a link; or why it does not. */
export type Arrival =
  | { readonly kind: "arrives"; readonly namespace: string; readonly link: string; readonly text: string }
  | { readonly kind: "crosses"; readonly to: string; readonly link: string; readonly text: string }
  | { readonly kind: "lost"; readonly because: string };

const lost = (because: string): Arrival => ({ kind: "lost", because });

/** Sends by a route's link: its device, the neighbour there, and what is at the other end. */
export function sendBy(state: KernelState, name: string, route: Route, destination: string): Arrival {
  const here = state.namespaces[name];
  const link = here?.links.find((one) => one.name === route.link);
  if (here === undefined || link === undefined) return lost(`link ${route.link} is not there`);
  if (isDown(here, link.name)) return lost(`link ${link.name} is down`);
  const next = route.via ?? destination;
  switch (link.kind) {
    case "bridge":
      return lost(`nobody with address ${next} is on bridge ${link.name}`);
    case "vxlan":
      return sendByTunnel(state, here, link, next);
    case "veth":
      return sendByPair(state, here, link, next, destination);
  }
}

function sendByPair(
  state: KernelState,
  here: ObservedNamespace,
  link: Extract<Link, { kind: "veth" }>,
  next: string,
  destination: string,
): Arrival {
  const { namespace, name } = link.peer;
  const there = state.namespaces[namespace];
  const end = there?.links.find((one) => one.name === name);
  if (namespace === "") return lost(`the other end of ${link.name} is gone`);
  if (there === undefined) return lost(`the other end of ${link.name}, namespace ${namespace}, is gone`);
  if (end === undefined) return lost(`the other end of ${link.name}, ${name}, is gone`);
  if (isDown(there, name)) return lost(`link ${name} is down`);
  const neighbour = here.neighbours.find((one) => one.link === link.name && one.address === next);
  if (neighbour === undefined) {
    const silence = whyNoAnswer(namespace, there, end, next);
    if (silence !== undefined) return lost(`no neighbour ${next} at ${link.name}: ${silence}`);
  } else if (end.mac !== undefined && end.mac !== neighbour.mac) {
    return lost(`neighbour ${next} at ${link.name} has MAC ${neighbour.mac}, but ${name} has ${end.mac}`);
  }
  return { kind: "arrives", namespace, link: name, text: `to ${destination} by ${link.name}` };
}

/** Who asks for an address by ARP is answered by its owner, or by who knows a way to it and answers for others. */
function whyNoAnswer(name: string, there: ObservedNamespace, end: Link, address: string): string | undefined {
  if (isIp6(address)) return "nobody asks for IPv6 neighbours";
  const direction = direct(name, there, { destination: address, source: "", mark: 0 });
  if (direction.kind === "local") return undefined;
  if (there.sysctls[`net.ipv4.conf.${end.name}.proxy_arp`] !== "1") return "nobody answers for it";
  if (direction.kind !== "by") return `whoever answers for others has no route to it`;
  return direction.route.link === end.name ? "it should be on the same link" : undefined;
}

function sendByTunnel(state: KernelState, here: ObservedNamespace, link: VxlanLink, next: string): Arrival {
  const neighbour = here.neighbours.find((one) => one.link === link.name && one.address === next);
  if (neighbour === undefined) return lost(`no neighbour ${next} at tunnel ${link.name}`);
  const entry = here.fdb.find((one) => one.link === link.name && one.mac === neighbour.mac);
  if (entry === undefined) return lost(`no forwarding entry for ${neighbour.mac} at tunnel ${link.name}`);
  const closed = whyClosed(state, link, entry.destination);
  if (closed !== undefined) return lost(closed);
  const secret = policyFor(state, link, entry.destination) === undefined ? "" : ", encrypted";
  const text = `next hop ${next} is ${neighbour.mac}: VXLAN ${link.vni} to ${entry.destination}, UDP port ${link.port}${secret}`;
  return { kind: "crosses", to: entry.destination, link: link.name, text };
}

/** An encrypted tunnel sends only to whom there is a policy and a key. */
function whyClosed(state: KernelState, link: VxlanLink, to: string): string | undefined {
  const xfrm = state.namespaces[HOST]?.xfrm;
  const policies = xfrm?.policies ?? [];
  const guarded = policies.some(({ direction, port }) => direction === "out" && port === link.port);
  if (!guarded) return link.encrypted ? `no policy guards the encrypted tunnel ${link.name}` : undefined;
  const policy = policyFor(state, link, to);
  if (policy === undefined) return `no policy says under which key to send to ${to}`;
  const known = xfrm?.states.some(({ destination, spi }) => destination === to && spi === policy.spi);
  return known ? undefined : `the key to send to ${to} under is not there`;
}

function policyFor(state: KernelState, { port }: VxlanLink, to: string): XfrmPolicy | undefined {
  return state.namespaces[HOST]?.xfrm?.policies.find(
    (policy) => policy.direction === "out" && policy.port === port && policy.destination === to,
  );
}

export type Connections = ReadonlyMap<string, Connection>;
