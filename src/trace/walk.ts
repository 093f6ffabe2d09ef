import type { ObservedNamespace, Route } from "../netstate/index.ts";
import type { Asked } from "./expressions.ts";
import { type Hook, type HookOutcome, runHook } from "./hooks.ts";
import { type Arrival, type Connections, sendBy } from "./links.ts";
import {
  type Connection,
  type Hop,
  isIp6,
  type KernelState,
  type Packet,
  tupleOf,
  type Verdict,
} from "./packet.ts";
import { direct, isLocal, linkTo } from "./routing.ts";

/** A packet on its way through one node, in the kernel's order: tables, routes, links, namespace after namespace. */
export interface Walk {
  readonly packet: Packet;
  /** The namespace in which it is. */
  readonly at: string;
  /** The link by which it came; undefined for one that was made here. */
  readonly iif: string | undefined;
  readonly hops: readonly Hop[];
  readonly connections: Connections;
  readonly doubts: readonly string[];
}

export interface WalkEnd extends Walk {
  readonly verdict: Verdict;
}

/** More namespaces than any packet passes: it goes round in a circle. */
const LONGEST = 12;

/** All ways that a packet can go on: one, or one for each backend of a draw. */
export function walk(state: KernelState, start: Walk, depth = 0): WalkEnd[] {
  const namespace = state.namespaces[start.at];
  if (namespace === undefined) return [stop(start, `namespace ${start.at} is not there`)];
  if (depth > LONGEST) return [stop(start, "it goes round in a circle")];
  const inside: Inside = { state, namespace, depth };
  return start.iif === undefined ? leave(inside, start) : enter(inside, start);
}

interface Inside {
  readonly state: KernelState;
  readonly namespace: ObservedNamespace;
  readonly depth: number;
}

function stop(at: Walk, because: string): WalkEnd {
  return { ...at, verdict: { kind: "dropped", at: at.at, because } };
}

function say(at: Walk, text: string): Walk {
  return { ...at, hops: [...at.hops, { at: at.at, text }] };
}

/** What came by a link: translated, filtered, then for here or for elsewhere. */
function enter(inside: Inside, start: Walk): WalkEnd[] {
  return atHook(inside, "prerouting", start, undefined, (at) => {
    const spoof = spoofedBy(inside, at);
    if (spoof !== undefined) return [stop(at, spoof)];
    const direction = direct(at.at, inside.namespace, at.packet);
    if (direction.kind === "nowhere") return [stop(at, direction.because)];
    if (direction.kind === "local")
      return atHook(inside, "input", at, undefined, (end) => draw(inside, end) ?? [arrive(end)]);
    const closed = whyNotForwarded(inside.namespace, at.packet);
    if (closed !== undefined) return [stop(at, closed)];
    const route = direction.kind === "by" ? direction.route : undefined;
    return atHook(inside, "forward", at, route?.link, (on) => depart(inside, on, route));
  });
}

/**
 * The kernel's own balancer takes what is for the namespace itself and bears the mark of one of its services; what it has translated
 * leaves like what the namespace sends (net/netfilter/ipvs/ip_vs_xmit.c).
 */
function draw(inside: Inside, at: Walk): WalkEnd[] | undefined {
  const { mark, isReply, port } = at.packet;
  const service = inside.namespace.ipvs?.services.find((one) => one.mark === mark);
  if (service === undefined || isReply || service.destinations.length === 0) return undefined;
  const count = service.destinations.length;
  const by = `IPVS service of mark 0x${mark.toString(16)}${count > 1 ? `, one of ${count} (${service.scheduler})` : ""}`;
  return service.destinations.flatMap((to) => {
    const toPort = to.port === 0 ? port : to.port;
    const target = { address: to.address, ...(toPort !== undefined && { port: toPort }) };
    const passed: Passed = {
      ...{ kind: "passes", packet: at.packet, connectionMark: at.connections.get(at.at)?.mark ?? 0 },
      to: { target, by },
    };
    return leave(inside, { ...translated(inside.namespace, at, passed, undefined), iif: undefined });
  });
}

/** What a program of the namespace sends. */
function leave(inside: Inside, start: Walk): WalkEnd[] {
  const first = direct(start.at, inside.namespace, start.packet);
  if (first.kind === "nowhere") return [stop(start, first.because)];
  const before = first.kind === "by" ? first.route.link : undefined;
  return atHook(inside, "output", start, before ?? "lo", (at) => {
    const direction = direct(at.at, inside.namespace, at.packet);
    if (direction.kind === "nowhere") return [stop(at, direction.because)];
    if (direction.kind === "local") return [arrive(at)];
    const route = direction.kind === "by" ? direction.route : undefined;
    return depart(inside, at, route);
  });
}

/** The last chains, then the link. */
function depart(inside: Inside, at: Walk, route: Route | undefined): WalkEnd[] {
  return atHook(inside, "postrouting", at, route?.link ?? "its own", (on) => {
    if (route === undefined) return [{ ...say(on, outText(on.packet)), verdict: { kind: "out" } }];
    const arrival = sendBy(inside.state, on.at, route, on.packet.destination);
    return travel(inside, on, route, arrival);
  });
}

const outText = ({ destination }: Packet): string => `to ${destination} by the host's own routes`;

function travel(inside: Inside, on: Walk, route: Route, arrival: Arrival): WalkEnd[] {
  if (arrival.kind === "lost") return [stop(on, arrival.because)];
  const told = say(
    on,
    arrival.kind === "crosses" ? `by ${route.link}: ${arrival.text}` : routeText(route, arrival),
  );
  if (arrival.kind === "crosses") {
    const { to, link } = arrival;
    return [{ ...told, verdict: { kind: "crosses", to, link, packet: { ...on.packet, mark: 0 } } }];
  }
  const { ethernetSource: _, ...packet } = { ...on.packet, mark: 0 };
  const next = { ...told, packet, at: arrival.namespace, iif: arrival.link };
  return walk(inside.state, next, inside.depth + 1);
}

function routeText(route: Route, { text }: { readonly text: string }): string {
  const table = route.table === undefined ? "" : ` (routing table ${route.table})`;
  return `${text}${table}`;
}

function arrive(at: Walk): WalkEnd {
  return { ...at, verdict: { kind: "delivered", namespace: at.at } };
}

/** Runs the chains at a hook and goes on with whatever passes. */
function atHook(
  { namespace }: Inside,
  hook: Hook,
  at: Walk,
  oif: string | undefined,
  onward: (at: Walk) => WalkEnd[],
): WalkEnd[] {
  const restore = RESTORES[hook];
  const connection = at.connections.get(at.at);
  const back = restore && connection && ((packet: Packet) => restore(packet, connection));
  const { outcomes, doubts } = runHook(namespace, hook, askedOf(namespace, at, oif), back);
  const doubting = { ...at, doubts: [...at.doubts, ...doubts] };
  return outcomes.flatMap((outcome) => {
    if (outcome.kind === "dropped") return [stop(doubting, outcome.because)];
    return onward(translated(namespace, doubting, outcome, oif));
  });
}

function askedOf(namespace: ObservedNamespace, at: Walk, oif: string | undefined): Asked {
  const connection = at.connections.get(at.at);
  return {
    packet: at.packet,
    iif: at.iif,
    oif,
    connectionMark: connection?.mark ?? 0,
    translatesTo: connection?.translatesTo ?? false,
    isLocal: (address) => isLocal(namespace, address),
    hasWayBack: () => hasWayBack(namespace, at),
  };
}

function hasWayBack(namespace: ObservedNamespace, { at, iif, packet }: Walk): boolean {
  const direction = direct(at, namespace, { destination: packet.source, source: "", mark: packet.mark });
  return direction.kind === "by" && direction.route.link === iif;
}

type Passed = Extract<HookOutcome, { kind: "passes" }>;

/** The packet as a hook leaves it, and what the namespace remembers of that. */
function translated(namespace: ObservedNamespace, at: Walk, passed: Passed, oif: string | undefined): Walk {
  const before = at.connections.get(at.at);
  let packet = passed.packet;
  let walk = at;
  if (passed.to !== undefined) {
    const { target, by } = passed.to;
    packet = { ...packet, destination: target.address, port: target.port ?? packet.port };
    walk = say(walk, `to ${textOf(packet)}, by ${by}`);
  }
  if (passed.from !== undefined) {
    const { address, by } = passed.from;
    packet = { ...packet, source: address ?? addressOn(namespace, oif) };
    walk = say(walk, `from ${packet.source}, by ${by}`);
  }
  if (at.packet.isReply) return { ...restoredHops(walk, packet), packet };
  const connection: Connection = {
    before: before?.before ?? tupleOf(at.packet),
    after: tupleOf(packet),
    mark: passed.connectionMark,
    translatesTo: (before?.translatesTo ?? false) || passed.to !== undefined,
    translatesFrom: (before?.translatesFrom ?? false) || passed.from !== undefined,
  };
  return { ...walk, packet, connections: new Map([...at.connections, [at.at, connection]]) };
}

function restoredHops(at: Walk, packet: Packet): Walk {
  if (packet.destination !== at.packet.destination) return say(at, `to ${packet.destination} again`);
  return packet.source === at.packet.source ? at : say(at, `from ${packet.source} again`);
}

const textOf = ({ destination, port }: Packet): string =>
  `${isIp6(destination) ? `[${destination}]` : destination}:${port}`;

/** What `masquerade` takes: an address of the link by which it leaves; of the host's own links one of the host's. */
function addressOn({ addresses }: ObservedNamespace, oif: string | undefined): string {
  const own = addresses.find(({ link }) => link === oif) ?? addresses.find(({ link }) => link === "lo");
  return own?.address.split("/")[0] ?? "the host's address";
}

/** An answer gets back the address that its connection's first packet had as its source. */
function restoreDestination(packet: Packet, { before, after, translatesFrom }: Connection): Packet {
  const concerns = packet.isReply && translatesFrom && packet.destination === after.source;
  return concerns ? { ...packet, destination: before.source } : packet;
}

/** An answer bears again the address that was asked. */
function restoreSource(packet: Packet, { before, after, translatesTo }: Connection): Packet {
  const concerns = packet.isReply && translatesTo && packet.source === after.destination;
  if (!concerns) return packet;
  const { destination: source, port } = before;
  return { ...packet, source, ...(port !== undefined && { sourcePort: port }) };
}

const RESTORES: Partial<Record<Hook, (packet: Packet, connection: Connection) => Packet>> = {
  prerouting: restoreDestination,
  input: restoreSource,
  postrouting: restoreSource,
};

/** The strict path filter: a source that is not routed to the link by which it came. */
function spoofedBy({ namespace }: Inside, { at, iif = "", packet }: Walk): string | undefined {
  if (isIp6(packet.source)) return undefined;
  const setting = (link: string) => Number(namespace.sysctls[`net.ipv4.conf.${link}.rp_filter`] ?? 0);
  if (Math.max(setting("all"), setting(iif)) !== 1) return undefined;
  if (linkTo(at, namespace, packet.source) === iif) return undefined;
  return `source ${packet.source} is not at ${iif} (rp_filter)`;
}

function whyNotForwarded({ sysctls }: ObservedNamespace, { destination }: Packet): string | undefined {
  const key = isIp6(destination) ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
  return sysctls[key] === undefined || sysctls[key] === "1" ? undefined : `${key} is ${sysctls[key]}`;
}
