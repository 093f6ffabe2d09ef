import { macOf } from "./addresses.ts";
import { address6Of, embed, sideOf } from "./addresses6.ts";
import type { NetworkFact, NetworkFacts, ServiceFact, SideFact, TaskFact } from "./facts.ts";
import { OrderedList, sortBy } from "./ordered-list.ts";
import { Remembered, sameItems } from "./remembered.ts";
import { type AddressOf, differing, type Owner, Roster } from "./roster.ts";
import { type Reached, reachedAt, type Service, servedAs } from "./served.ts";
import type { TaskPlan } from "./task-plan.ts";

/** One network as this node sees it: what its sandbox there is built from. Lists are in a stable order. */
export interface Survey extends Side {
  readonly network: NetworkFact;
  /** This node's address there: its sandbox's. */
  readonly address: string;
  readonly peers: readonly Peer[];
  /** The same network in IPv6, when it has that. */
  readonly six?: Side & SideFact;
}

/** Who is on a network, by addresses of one family. */
export interface Side {
  /** Tasks of this node with a leg there. */
  readonly legs: readonly Leg[];
  /** Tasks of other nodes. */
  readonly remotes: readonly Remote[];
  readonly services: readonly Service[];
}

export interface Peer {
  readonly address: string;
  readonly dataPathAddress: string;
}

export interface Leg {
  readonly taskId: string;
  /** The device at the task's end. */
  readonly ethernet: string;
  readonly address: string;
  readonly mac: string;
  /** False when the address has gone to another task already, and this one only waits to be removed. */
  readonly routed: boolean;
}

export interface Remote {
  readonly address: string;
  /** Of the node that the task runs on: its address on the network, or in IPv6 its link-local one there. */
  readonly via: string;
}

/** Surveys every network on which this node has an address; the rest is left out until a manager gives it one. */
export function surveyNetworks(facts: NetworkFacts, tasks: readonly TaskPlan[]): Survey[] {
  const own = facts.nodes.find((node) => node.id === facts.self.nodeId);
  return sortBy(facts.networks, (network) => network.id).flatMap((network) => {
    const address = own?.addresses[network.id];
    return address === undefined ? [] : [survey(facts, tasks, network, address)];
  });
}

function survey(
  facts: NetworkFacts,
  tasks: readonly TaskPlan[],
  network: NetworkFact,
  address: string,
): Survey {
  const peers = peersOf(facts, network.id);
  const words = sideOf(facts.self, network);
  return {
    network,
    address,
    peers: sortBy([...peers.values()], (peer) => peer.address),
    ...sideIn("ip", facts, tasks, network, peers),
    ...(words !== undefined && { six: { ...words, ...sideIn("ip6", facts, tasks, network, peers) } }),
  };
}

function sideIn(
  family: "ip" | "ip6",
  facts: NetworkFacts,
  tasks: readonly TaskPlan[],
  network: NetworkFact,
  peers: ReadonlyMap<string, Peer>,
): Side {
  const known = NEIGHBOURHOODS.get(network)?.[family];
  const here = known?.isOf(facts) ? known : new Neighbourhood(family, network, facts, peers);
  if (here !== known) NEIGHBOURHOODS.set(network, { ...NEIGHBOURHOODS.get(network), [family]: here });
  return here.follow(facts, tasks);
}

/** Where the addresses of one family are found. */
interface Family {
  readonly addressOf: AddressOf;
  viaOf(peer: Peer): string;
  vipOf(service: ServiceFact): string | undefined;
}

const FAMILIES: Readonly<Record<"ip" | "ip6", (network: NetworkFact) => Family>> = {
  ip: (network) => ({
    addressOf: ({ addresses }) => addresses[network.id],
    viaOf: (peer) => peer.address,
    vipOf: ({ vips }) => vips[network.id],
  }),
  ip6: (network) => ({
    addressOf: (row) => address6Of(row, network),
    viaOf: (peer) => embed("node", peer.address),
    vipOf: ({ vips6 }) => vips6?.[network.id],
  }),
};

/**
 * One side of a network, kept up while its nodes and this node's own tasks stay: then only what is said of other tasks and of services
 * changes, and of that it looks at what differs. What it says depends on the last facts alone.
 */
class Neighbourhood {
  readonly #network: NetworkFact;
  readonly #words: Family;
  readonly #from: Pick<NetworkFacts, "self" | "nodes" | "tasks" | "networks">;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #own: readonly (TaskFact & Owner)[];
  readonly #roster: Roster;
  #legs: readonly Leg[] | undefined;
  #facts: readonly ServiceFact[] = [];
  readonly #remotes = new OrderedList<Remote>((remote) => remote.address);
  readonly #services = new OrderedList<Service>((service) => service.id);
  /** Services by their id, and who takes their traffic. */
  readonly #known = new Map<string, ServiceFact>();
  readonly #reached = new Map<string, OrderedList<Reached>>();

  constructor(
    family: "ip" | "ip6",
    network: NetworkFact,
    from: NetworkFacts,
    peers: ReadonlyMap<string, Peer>,
  ) {
    this.#network = network;
    this.#words = FAMILIES[family](network);
    const { self, nodes, tasks, networks } = from;
    this.#from = { self, nodes, tasks, networks };
    this.#peers = peers;
    this.#own = from.tasks.map((task) => ({ ...task, nodeId: from.self.nodeId }));
    this.#roster = new Roster(this.#words.addressOf);
  }

  isOf({ self, nodes, tasks, networks }: NetworkFacts): boolean {
    const from = this.#from;
    return (
      from.self.nodeId === self.nodeId &&
      sameItems(from.nodes, nodes) &&
      sameItems(from.tasks, tasks) &&
      sameItems(from.networks, networks)
    );
  }

  follow({ endpoints, attachments, services }: NetworkFacts, tasks: readonly TaskPlan[]): Side {
    const changed = this.#roster.follow([this.#own, endpoints, attachments]);
    const legs = this.#legs === undefined || changed.addresses.size > 0 ? this.#legsOf(tasks) : this.#legs;
    this.#legs = legs;
    const local = new Set(legs.map((leg) => leg.taskId));
    for (const address of changed.addresses) this.#remotes.set(address, this.#remoteAt(address, local));
    const routed = new Set(legs.filter((leg) => leg.routed).map((leg) => leg.address));
    for (const [id, addresses] of changed.services)
      for (const address of addresses) this.#reach(id, address, routed);
    const { gone, fresh } = differing(this.#facts, services);
    this.#facts = services;
    for (const { id } of gone) this.#known.delete(id);
    for (const service of fresh) this.#known.set(service.id, service);
    const stale = new Set([...changed.services.keys(), ...[...gone, ...fresh].map(({ id }) => id)]);
    for (const id of stale) this.#services.set(id, this.#serviceOf(id));
    return { legs, remotes: this.#remotes.rows(), services: this.#services.rows() };
  }

  #legsOf(tasks: readonly TaskPlan[]): Leg[] {
    return legsOf(tasks, this.#network.id, (address) => this.#roster.ownerOf(address), this.#words);
  }

  /** The task of another node that has the address. */
  #remoteAt(address: string, local: ReadonlySet<string>): Remote | undefined {
    const owner = this.#roster.ownerOf(address);
    const peer = owner && this.#peers.get(owner.nodeId);
    if (owner === undefined || peer === undefined || local.has(owner.taskId)) return undefined;
    return remoteOf(owner, address, this.#words.viaOf(peer));
  }

  /** Looks again at whether the service has a task at this address that this node can reach. */
  #reach(id: string, address: string, routed: ReadonlySet<string>): void {
    const known = this.#reached.get(id) ?? new OrderedList<Reached>((reached) => reached.address);
    this.#reached.set(id, known);
    const isReachable = routed.has(address) || this.#remotes.has(address);
    const endpoint = isReachable ? this.#roster.endpointAt(address, id) : undefined;
    known.set(address, endpoint && reachedAt(address, endpoint));
  }

  #serviceOf(id: string): Service | undefined {
    const service = this.#known.get(id);
    const tasks = this.#reached.get(id)?.rows() ?? [];
    if (tasks.length === 0) this.#reached.delete(id);
    return service && servedAs(this.#network, service, this.#words.vipOf(service), tasks);
  }
}

const NEIGHBOURHOODS = new WeakMap<NetworkFact, { readonly [F in "ip" | "ip6"]?: Neighbourhood }>();

/** Other nodes on the network, by node id. */
function peersOf(facts: NetworkFacts, networkId: string): Map<string, Peer> {
  const peers = new Map<string, Peer>();
  for (const node of facts.nodes) {
    const address = node.addresses[networkId];
    if (node.id === facts.self.nodeId || address === undefined) continue;
    peers.set(node.id, { address, dataPathAddress: node.dataPathAddress });
  }
  return peers;
}

const REMOTES = new Remembered<Owner, Remote>();

function remoteOf(owner: Owner, address: string, via: string): Remote {
  const fits = (remote: Remote) => remote.address === address && remote.via === via;
  return REMOTES.get(owner, fits, () => ({ address, via }));
}

function legsOf(
  tasks: readonly TaskPlan[],
  networkId: string,
  ownerOf: (address: string) => Owner | undefined,
  { addressOf }: Family,
): Leg[] {
  return tasks.flatMap(({ task, legs }) => {
    const address = addressOf(task);
    if (address === undefined) return [];
    const { taskId } = task;
    return legs
      .filter(({ network }) => network.id === networkId)
      .map((leg) => ({
        taskId,
        ethernet: leg.ethernet,
        address,
        mac: macOf(leg.address),
        routed: ownerOf(address)?.taskId === taskId,
      }));
  });
}
