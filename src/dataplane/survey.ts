import { macOf } from "./addresses.ts";
import { address6Of, embed, sideOf } from "./addresses6.ts";
import type { EndpointFact, NetworkFact, NetworkFacts, PortFact, ServiceFact, TaskFact } from "./facts.ts";
import { OrderedList, sortBy } from "./ordered-list.ts";
import { Remembered, sameItems } from "./remembered.ts";
import type { TaskPlan } from "./task-sandbox.ts";

/** One network as this node sees it: what its sandbox there is built from. Lists are in a stable order. */
export interface Survey extends Side {
  readonly network: NetworkFact;
  /** This node's address there: its sandbox's. */
  readonly address: string;
  readonly peers: readonly Peer[];
  /** The same network in IPv6, when it has that. */
  readonly six?: Side & { readonly subnet: string; readonly gateway: string };
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

export interface Service {
  readonly id: string;
  readonly vip: string | undefined;
  readonly ports: readonly PortFact[];
  /** Addresses of its endpoints that this node can reach. */
  readonly backends: readonly string[];
}

/** Surveys every network on which this node has an address; the rest is left out until a manager gives it one. */
export function surveyNetworks(facts: NetworkFacts, tasks: readonly TaskPlan[]): Survey[] {
  const endpoints = groupBy(facts.endpoints, (endpoint) => endpoint.serviceId);
  return sortBy(facts.networks, (network) => network.id).flatMap((network) => {
    const address = facts.nodes.find((node) => node.id === facts.self.nodeId)?.addresses[network.id];
    return address === undefined ? [] : [survey({ facts, tasks, endpoints }, network, address)];
  });
}

interface Ground {
  readonly facts: NetworkFacts;
  readonly tasks: readonly TaskPlan[];
  /** By service. */
  readonly endpoints: ReadonlyMap<string, readonly EndpointFact[]>;
}

function survey(ground: Ground, network: NetworkFact, address: string): Survey {
  const peers = peersOf(ground.facts, network.id);
  const four: Family = {
    lists: listsOf(network, "ip"),
    addressOf: ({ addresses }) => addresses[network.id],
    viaOf: (peer) => peer.address,
    vipOf: ({ vips }) => vips[network.id],
  };
  const six: Family = {
    lists: listsOf(network, "ip6"),
    addressOf: (row) => address6Of(row, network),
    viaOf: (peer) => embed("node", peer.address),
    vipOf: ({ vips6 }) => vips6?.[network.id],
  };
  const words = sideOf(ground.facts.self, network);
  return {
    network,
    address,
    peers: sortBy([...peers.values()], (peer) => peer.address),
    ...sideIn(four, ground, network, peers),
    ...(words !== undefined && { six: { ...words, ...sideIn(six, ground, network, peers) } }),
  };
}

type Row = Pick<TaskFact, "taskId" | "addresses" | "addresses6">;

/** Where the addresses of one family are found. */
interface Family {
  /** How its lists were ordered the last time. */
  readonly lists: Lists;
  addressOf(row: Row): string | undefined;
  viaOf(peer: Peer): string;
  vipOf(service: ServiceFact): string | undefined;
}

function sideIn(
  family: Family,
  { facts, tasks, endpoints }: Ground,
  network: NetworkFact,
  peers: ReadonlyMap<string, Peer>,
): Side {
  const owners = ownersOf(facts, family);
  const legs = legsOf(tasks, network.id, owners, family);
  const local = new Set(legs.map((leg) => leg.taskId));
  const remotes: Remote[] = [];
  const reachable = new Set(legs.filter((leg) => leg.routed).map((leg) => leg.address));
  for (const [taken, owner] of owners) {
    const peer = peers.get(owner.nodeId);
    if (peer === undefined || local.has(owner.taskId)) continue;
    remotes.push(remoteOf(owner, taken, family.viaOf(peer)));
    reachable.add(taken);
  }
  const services = facts.services.flatMap((service) =>
    serviceOn(family, network, service, endpoints.get(service.id) ?? [], reachable),
  );
  return {
    legs,
    remotes: family.lists.remotes.sort(remotes),
    services: family.lists.services.sort(services),
  };
}

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

interface Owner {
  readonly taskId: string;
  readonly nodeId: string;
}

/**
 * Address -> the one task that has it. A manager's word counts more than the agent's: a task that it lists no
 * more may linger here for a moment beside the next owner of its address.
 */
function ownersOf(facts: NetworkFacts, { addressOf }: Family): Map<string, Owner> {
  const owners = new Map<string, Owner>();
  const own = facts.tasks.map((task) => ({ ...task, nodeId: facts.self.nodeId }));
  const lists: readonly (readonly (Owner & Row)[])[] = [own, facts.endpoints, facts.attachments];
  const contested = new Set<string>();
  for (const rows of lists) {
    for (const row of rows) {
      const address = addressOf(row);
      if (address === undefined) continue;
      const other = owners.get(address);
      if (other === undefined) owners.set(address, row);
      else if (other.taskId !== row.taskId || other.nodeId !== row.nodeId) contested.add(address);
    }
  }
  if (contested.size > 0) for (const rows of lists) settle(owners, contested, rows, addressOf);
  return owners;
}

/** Of several in one list the one with the greatest id has the address, whatever was said before. */
function settle(
  owners: Map<string, Owner>,
  contested: ReadonlySet<string>,
  rows: readonly (Owner & Row)[],
  addressOf: Family["addressOf"],
): void {
  const here = new Map<string, Owner>();
  for (const row of rows) {
    const address = addressOf(row);
    if (address === undefined || !contested.has(address)) continue;
    const other = here.get(address);
    if (other === undefined || other.taskId < row.taskId) here.set(address, row);
  }
  for (const [address, owner] of here) owners.set(address, owner);
}

const REMOTES = new Remembered<Owner, Remote>();

function remoteOf(owner: Owner, address: string, via: string): Remote {
  const fits = (remote: Remote) => remote.address === address && remote.via === via;
  return REMOTES.get(owner, fits, () => ({ address, via }));
}

function legsOf(
  tasks: readonly TaskPlan[],
  networkId: string,
  owners: ReadonlyMap<string, Owner>,
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
        routed: owners.get(address)?.taskId === taskId,
      }));
  });
}

/** The service's presence on the network: by VIP, by published ports (ingress), or not at all. */
function serviceOn(
  { addressOf, vipOf }: Family,
  network: NetworkFact,
  service: ServiceFact,
  endpoints: readonly EndpointFact[],
  reachable: ReadonlySet<string>,
): Service[] {
  const vip = network.ingress ? undefined : vipOf(service);
  const ports = network.ingress ? service.ports : NO_PORTS;
  if (vip === undefined && ports.length === 0) return [];
  const backends: string[] = [];
  for (const endpoint of endpoints) {
    const address = addressOf(endpoint);
    if (address !== undefined && reachable.has(address)) backends.push(address);
  }
  const fits = ({ from, made }: KnownService) =>
    made.vip === vip && from.ports === ports && sameItems(from.backends, backends);
  const { made } = SERVICES.get(service, fits, () => ({
    from: { ports, backends },
    made: {
      id: service.id,
      vip,
      ports: sortBy(ports, byPort),
      backends: [...new Set(backends)].sort(),
    },
  }));
  return [made];
}

/** What a service on a network was made from: the same object again when it has changed in nothing. */
interface KnownService {
  readonly from: { readonly ports: readonly PortFact[]; readonly backends: readonly string[] };
  readonly made: Service;
}

const SERVICES = new Remembered<ServiceFact, KnownService>();
const NO_PORTS: readonly PortFact[] = [];

interface Lists {
  readonly remotes: OrderedList<Remote>;
  readonly services: OrderedList<Service>;
}

/** By network, and in it by family. */
const LISTS = new Remembered<NetworkFact, Lists & { readonly family: "ip" | "ip6" }>();

function listsOf(network: NetworkFact, family: "ip" | "ip6"): Lists {
  return LISTS.get(
    network,
    (lists) => lists.family === family,
    () => ({
      family,
      remotes: new OrderedList((remote) => remote.address),
      services: new OrderedList((service) => service.id),
    }),
  );
}

/** Key of a published port, unique in a cluster. */
export const byPort = (port: PortFact): string => `${port.protocol}/${port.published}`;

export function groupBy<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group === undefined) groups.set(key(row), [row]);
    else group.push(row);
  }
  return groups;
}
