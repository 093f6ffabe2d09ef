import { macOf, type NetworkFacts, OWN_BLOCK6 } from "../dataplane/index.ts";
import { HOST } from "../netstate/index.ts";
import { isIn } from "./blocks.ts";
import {
  type Client,
  clientOf,
  type Destination,
  destinationOf,
  isAddress,
  OUTSIDE,
  splitDestination,
  startOf,
} from "./ends.ts";
import { networkWith, nodeAt, ownerOf, placeOf } from "./names.ts";
import {
  type Connection,
  type Hop,
  isIp6,
  type KernelState,
  type Packet,
  type Path,
  type Verdict,
} from "./packet.ts";
import { direct } from "./routing.ts";
import { type Walk, type WalkEnd, walk } from "./walk.ts";

/** What is to be explained, in a person's words. */
export interface TraceQuestion {
  readonly client: string;
  readonly destination: string;
  /** The rest of a trace that another node began: the packet comes by its tunnel from this data-path address. */
  readonly by?: string;
}

/** What is known beside the kernel's state. */
export interface TraceGround {
  readonly facts: NetworkFacts;
  /** The host's own addresses. */
  readonly own: readonly string[];
  /** Where programs of the host wait: "tcp/22". */
  readonly listening: ReadonlySet<string>;
}

export interface Trace {
  /** What was asked, and how its names were read. */
  readonly question: string;
  readonly paths: readonly TracedPath[];
}

/** A path in words: places have their names. */
export interface TracedPath extends Omit<Path, "verdict"> {
  readonly verdict: TracedVerdict;
}

export type TracedVerdict =
  | { readonly kind: "delivered"; readonly to: string }
  | { readonly kind: "out" }
  /** `ask`: what to say to the other node for the rest. */
  | { readonly kind: "crosses"; readonly node: string; readonly address: string; readonly ask: TraceQuestion }
  | { readonly kind: "dropped"; readonly at: string; readonly because: string };

/**
 * How a connection goes through what the kernel of this node holds. Pure: the kernel's state decides, the facts only lend their names.
 * Faults for words that name nobody, or somebody of another node.
 */
export function explain(kernel: KernelState, ground: TraceGround, question: TraceQuestion): Trace {
  const state = withHostAddresses(kernel, ground.own);
  if (question.by !== undefined) return explainArrival(state, ground, { ...question, by: question.by });
  const { facts } = ground;
  const client = clientOf(facts, question.client);
  const to = destinationOf(facts, client, question.destination);
  const who =
    client.kind === "task" ? `task ${client.name}` : client.kind === "host" ? "the host" : client.address;
  if ("nowhere" in to) {
    const verdict = { kind: "dropped", at: placeOf(facts, startOf(client).at), because: to.nowhere } as const;
    return {
      question: `${who} to ${question.destination}`,
      paths: [{ hops: [], answer: [], verdict, doubts: [] }],
    };
  }
  const named = to.because === undefined ? "" : `: ${to.because}`;
  return {
    question: `${who} to ${question.destination}, ${to.protocol} port ${to.port}${named}`,
    paths: to.addresses.flatMap((address) => pathsTo(state, ground, client, to, address)),
  };
}

/** The host's own addresses, so that what is sent to them ends there. */
function withHostAddresses(state: KernelState, own: readonly string[]): KernelState {
  const host = state.namespaces[HOST];
  if (host === undefined) return state;
  const more = own.map((address) => ({ link: "lo", address: `${address}/${isIp6(address) ? 128 : 32}` }));
  return {
    namespaces: { ...state.namespaces, [HOST]: { ...host, addresses: [...host.addresses, ...more] } },
  };
}

function pathsTo(
  state: KernelState,
  ground: TraceGround,
  client: Client,
  to: Destination,
  address: string,
): TracedPath[] {
  const { facts } = ground;
  const source = sourceOf(state, facts, client, address);
  const packet: Packet = {
    ...{ protocol: to.protocol, source, destination: address, port: to.port },
    ...{ isReply: false, mark: 0 },
  };
  const start: Walk = { packet, ...startOf(client), hops: [], connections: new Map(), doubts: [] };
  const begun = { ...start, hops: [{ at: start.at, text: `${source} calls ${at(packet)}` }] };
  return walk(state, begun).map((end) => traced(state, ground, end, start));
}

/** The address that a program's packets get: its side of the route that they take. */
function sourceOf(state: KernelState, facts: NetworkFacts, client: Client, to: string): string {
  if (client.kind === "outside") return client.address;
  if (client.kind === "host") return to.startsWith("127.") ? "127.0.0.1" : facts.self.dataPathAddress;
  const namespace = state.namespaces[startOf(client).at];
  const direction = namespace && direct("task", namespace, { destination: to, source: "", mark: 0 });
  const link = direction?.kind === "by" ? direction.route.link : undefined;
  const own = namespace?.addresses.filter((one) => isIp6(one.address) === isIp6(to)) ?? [];
  const found = own.find((one) => one.link === link) ?? own[0];
  return found?.address.split("/")[0] ?? client.task.gatewayAddress;
}

const at = ({ destination, port }: Packet): string =>
  `${isIp6(destination) ? `[${destination}]` : destination}:${port}`;

/** The rest of a connection that came through the tunnel from another node. */
function explainArrival(
  state: KernelState,
  ground: TraceGround,
  question: TraceQuestion & { readonly by: string },
): Trace {
  const { facts } = ground;
  const { host, port = 0, protocol } = splitDestination(question.destination);
  const network = networkWith(facts, host);
  const words = `${question.client} to ${question.destination}, by the tunnel from ${nodeAt(facts, question.by) ?? "?"} (${question.by})`;
  if (network === undefined)
    return { question: words, paths: [lost("host", `${host} is on no network of this node`)] };
  const peer = facts.nodes.find(({ dataPathAddress }) => dataPathAddress === question.by)?.addresses[
    network.id
  ];
  const sandbox = `net-${network.id}`;
  const tunnel = state.namespaces[sandbox]?.links.find((link) => link.kind === "vxlan");
  if (tunnel?.kind !== "vxlan")
    return { question: words, paths: [lost(placeOf(facts, sandbox), "its tunnel is not there")] };
  const outer: Packet = {
    ...{ protocol: "udp" as const, source: question.by, destination: tunnel.local, port: tunnel.port },
    ...{ isReply: false, mark: 0 },
  };
  const hops: Hop[] = [
    { at: HOST, text: `VXLAN ${tunnel.vni} from ${question.by} to UDP port ${tunnel.port}` },
  ];
  const begin = { hops, connections: new Map<string, Connection>(), doubts: [] };
  const outside = walk(state, { ...begin, packet: outer, at: HOST, iif: OUTSIDE });
  const refused = outside.filter(({ verdict }) => verdict.kind === "dropped");
  if (refused.length > 0) return { question: words, paths: refused.map((end) => told(facts, end, [])) };
  const packet: Packet = {
    ...{ protocol, source: question.client, destination: host, port, isReply: false, mark: 0 },
    ...(peer !== undefined && { ethernetSource: macOf(peer) }),
  };
  const down = state.namespaces[sandbox]?.down ?? [];
  if (down.includes(tunnel.name))
    return { question: words, paths: [lost(placeOf(facts, sandbox), `link ${tunnel.name} is down`)] };
  const start: Walk = { ...begin, packet, at: sandbox, iif: tunnel.name };
  return {
    question: words,
    paths: walk(state, start).map((end) => traced(state, ground, end, start, question.by)),
  };
}

function lost(place: string, because: string): TracedPath {
  return { hops: [], answer: [], verdict: { kind: "dropped", at: place, because }, doubts: [] };
}

/** The end of a way in words, and the way of what answers. */
function traced(state: KernelState, ground: TraceGround, end: WalkEnd, start: Walk, by?: string): TracedPath {
  const { facts } = ground;
  const reason = whyUnanswered(ground, end);
  if (reason !== undefined)
    return told(facts, { ...end, verdict: { kind: "dropped", at: end.at, because: reason } }, []);
  const answer = answerOf(state, end);
  if (answer === undefined) return told(facts, end, []);
  const wrong = whyAstray(answer, start, by);
  if (wrong === undefined) return told(facts, end, answer.hops);
  const verdict = { kind: "dropped", at: answer.at, because: `the answer is lost: ${wrong}` } as const;
  return told(facts, { ...end, verdict, doubts: [...end.doubts, ...answer.doubts] }, answer.hops);
}

/** Where nobody takes what arrives. */
function whyUnanswered(ground: TraceGround, { verdict, packet }: WalkEnd): string | undefined {
  const { facts, listening } = ground;
  const owner = ownerOf(facts, packet.destination);
  if (verdict.kind === "delivered" && verdict.namespace.startsWith("net-")) {
    const isVip = owner?.startsWith("VIP") ?? false;
    return isVip
      ? `${packet.destination} is the ${owner}, and no chain leads it to a backend: refused`
      : `nobody listens there: ${packet.destination}:${packet.port} was led to no backend: refused`;
  }
  if (verdict.kind === "delivered" && verdict.namespace === HOST) {
    const { protocol, port } = packet;
    const why = `no rule leads port ${port}/${protocol} on, and no program of the host waits at it: refused`;
    return listening.has(`${protocol}/${port}`) ? undefined : why;
  }
  if (verdict.kind === "crosses" && nodeAt(facts, verdict.to) === undefined)
    return `the tunnel leads to ${verdict.to}, which is no node of the swarm`;
  if (verdict.kind !== "out") return undefined;
  if ([facts.self.gatewaySubnet, OWN_BLOCK6].some((block) => isIn(packet.destination, block)))
    return `the host has no route of ours to ${packet.destination}`;
  const network = networkWith(facts, packet.destination);
  return (
    network &&
    `${packet.destination} is on network ${network.name}, and the client is not: it goes out to the host's network`
  );
}

/** The answer of whoever got the packet, on its way back; undefined when nobody of ours answers. */
function answerOf(state: KernelState, end: WalkEnd): WalkEnd | undefined {
  const { verdict, packet } = end;
  if (verdict.kind !== "delivered" && verdict.kind !== "crosses") return undefined;
  const { source: destination, destination: source, port } = packet;
  const reply: Packet = {
    ...{ protocol: packet.protocol, source, destination, port: undefined, isReply: true, mark: 0 },
    ...(port !== undefined && { sourcePort: port }),
  };
  const iif = verdict.kind === "crosses" ? verdict.link : undefined;
  const [back] = walk(state, { ...end, packet: reply, iif, hops: [], doubts: [] });
  return back;
}

/** Why the answer does not come to the caller, or by another way than the one it was called by. */
function whyAstray(answer: WalkEnd, start: Walk, by: string | undefined): string | undefined {
  const { verdict, packet } = answer;
  if (verdict.kind === "dropped") return verdict.because;
  if (by !== undefined)
    return verdict.kind === "crosses" && verdict.to === by ? undefined : `it does not go back to ${by}`;
  if (packet.destination !== start.packet.source)
    return `it is for ${packet.destination}, not for the caller`;
  if (packet.source !== start.packet.destination)
    return `it is from ${packet.source}, which the caller did not call`;
  const home =
    start.iif === OUTSIDE
      ? verdict.kind === "out"
      : verdict.kind === "delivered" && verdict.namespace === start.at;
  return home ? undefined : "it does not go back to the caller";
}

function told(facts: NetworkFacts, end: WalkEnd, answer: readonly Hop[]): TracedPath {
  const named = (hops: readonly Hop[]) =>
    hops.map((hop) => ({ at: placeOf(facts, hop.at), text: withOwner(facts, hop.text) }));
  return {
    hops: named(end.hops),
    answer: named(answer),
    verdict: toldVerdict(facts, end.verdict),
    doubts: [...new Set(end.doubts)],
  };
}

/** Says whose the first address of a hop is that is somebody's of an overlay network. */
function withOwner(facts: NetworkFacts, text: string): string {
  for (const word of text.split(/[\s,]+/)) {
    const address = splitDestination(word).host;
    const owner = isAddress(address) ? ownerOf(facts, address) : undefined;
    if (owner !== undefined) return text.replace(word, `${word} (${owner})`);
  }
  return text;
}

function toldVerdict(facts: NetworkFacts, verdict: Verdict): TracedVerdict {
  switch (verdict.kind) {
    case "out":
      return verdict;
    case "dropped":
      return { ...verdict, at: placeOf(facts, verdict.at) };
    case "delivered":
      return { kind: "delivered", to: placeOf(facts, verdict.namespace) };
    case "crosses": {
      const { to, packet } = verdict;
      const destination = `${at(packet)}/${packet.protocol}`;
      const ask = { client: packet.source, destination, by: facts.self.dataPathAddress };
      return { kind: "crosses", node: nodeAt(facts, to) ?? "an unknown node", address: to, ask };
    }
  }
}
