import { deepFreeze } from "../lib/index.ts";
import {
  type Cluster,
  type Config,
  type Guest,
  KINDS,
  type Kind,
  type Kinds,
  type Network,
  type News,
  type Node,
  type Secret,
  type Service,
  type Task,
} from "../model/index.ts";
import { GroupIndex } from "./group-index.ts";
import type { Derived, ObjectChange, View } from "./view.ts";

/** The view that a store keeps up to date: a change costs its own indexes and nothing else. Freezes what it holds. */
export class LiveView implements View {
  readonly #tables: { readonly [K in Kind]: Map<string, Kinds[K]> } = {
    cluster: new Map<string, Cluster>(),
    node: new Map<string, Node>(),
    service: new Map<string, Service>(),
    task: new Map<string, Task>(),
    guest: new Map<string, Guest>(),
    network: new Map<string, Network>(),
    secret: new Map<string, Secret>(),
    config: new Map<string, Config>(),
    news: new Map<string, News>(),
  };
  readonly #hostname: GroupIndex<Node> = new GroupIndex((node) => present(node.description?.hostname));
  readonly #serviceName: GroupIndex<Service> = new GroupIndex((service) => [service.spec.name]);
  readonly #serviceNetwork: GroupIndex<Service> = new GroupIndex((service) =>
    service.spec.task.networks.map((network) => network.target),
  );
  readonly #taskService: GroupIndex<Task> = new GroupIndex((task) => [task.serviceId]);
  readonly #taskSlot: GroupIndex<Task> = new GroupIndex((task) => [slotKey(task.serviceId, task.slot)]);
  readonly #taskNode: GroupIndex<Task> = new GroupIndex((task) => present(task.nodeId));
  readonly #taskNetwork: GroupIndex<Task> = new GroupIndex((task) =>
    task.attachments.map((attachment) => attachment.networkId),
  );
  readonly #guestNode: GroupIndex<Guest> = new GroupIndex((guest) => [guest.nodeId]);
  readonly #guestNetwork: GroupIndex<Guest> = new GroupIndex((guest) =>
    guest.attachments.map((attachment) => attachment.networkId),
  );
  readonly #networkName: GroupIndex<Network> = new GroupIndex((network) => [network.spec.name]);
  readonly #indexes: { readonly [K in Kind]: readonly GroupIndex<Kinds[K]>[] } = {
    cluster: [],
    node: [this.#hostname],
    service: [this.#serviceName, this.#serviceNetwork],
    task: [this.#taskService, this.#taskSlot, this.#taskNode, this.#taskNetwork],
    guest: [this.#guestNode, this.#guestNetwork],
    network: [this.#networkName],
    secret: [],
    config: [],
    news: [],
  };
  readonly #derived = new Map<Derived<unknown>, unknown>();

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return this.#tables[kind].get(id);
  }

  all<K extends Kind>(kind: K): Iterable<Kinds[K]> {
    return this.#tables[kind].values();
  }

  findByIdPrefix<K extends Kind>(kind: K, prefix: string): Kinds[K][] {
    return [...this.all(kind)].filter((object) => object.id.startsWith(prefix));
  }

  cluster(): Cluster | undefined {
    for (const cluster of this.#tables.cluster.values()) return cluster;
    return undefined;
  }

  serviceByName(name: string): Service | undefined {
    return this.#serviceName.first(name);
  }

  networkByName(name: string): Network | undefined {
    return this.#networkName.first(name);
  }

  nodesByHostname(hostname: string): Iterable<Node> {
    return this.#hostname.of(hostname);
  }

  tasksByService(serviceId: string): Iterable<Task> {
    return this.#taskService.of(serviceId);
  }

  tasksBySlot(serviceId: string, slot: number): Iterable<Task> {
    return this.#taskSlot.of(slotKey(serviceId, slot));
  }

  tasksByNode(nodeId: string): Iterable<Task> {
    return this.#taskNode.of(nodeId);
  }

  tasksByNetwork(networkId: string): Iterable<Task> {
    return this.#taskNetwork.of(networkId);
  }

  guestsByNode(nodeId: string): Iterable<Guest> {
    return this.#guestNode.of(nodeId);
  }

  guestsByNetwork(networkId: string): Iterable<Guest> {
    return this.#guestNetwork.of(networkId);
  }

  servicesByNetwork(networkId: string): Iterable<Service> {
    return this.#serviceNetwork.of(networkId);
  }

  derive<S>(derived: Derived<S>): S {
    const known = this.#derived.get(derived as Derived<unknown>) as S | undefined;
    if (known !== undefined) return known;
    const state = derived.empty();
    for (const kind of KINDS) {
      for (const after of this.all(kind)) derived.apply(state, { kind, after });
    }
    this.#derived.set(derived as Derived<unknown>, state);
    return state;
  }

  /** Puts an object in place of the one with its id; returns what it replaced. */
  put<K extends Kind>(kind: K, object: Kinds[K]): Kinds[K] | undefined {
    const before = this.get(kind, object.id);
    this.#tables[kind].set(object.id, deepFreeze(object));
    for (const index of this.#indexesOf(kind)) index.move(before, object);
    this.#moveDerived({ kind, after: object, ...(before && { before }) });
    return before;
  }

  /** Takes an object out; returns it when it was there. */
  delete<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    const before = this.get(kind, id);
    this.#tables[kind].delete(id);
    for (const index of this.#indexesOf(kind)) index.move(before, undefined);
    if (before !== undefined) this.#moveDerived({ kind, before });
    return before;
  }

  #moveDerived(change: ObjectChange): void {
    for (const [derived, state] of this.#derived) derived.apply(state, change);
  }

  #indexesOf<K extends Kind>(kind: K): readonly GroupIndex<Kinds[K]>[] {
    return this.#indexes[kind];
  }
}

/** A view of just these objects (none: an empty one), for tests. */
export function viewOf(objects: { readonly [K in Kind]?: readonly Kinds[K][] } = {}): View {
  const view = new LiveView();
  for (const [kind, list] of Object.entries(objects)) {
    for (const object of list) view.put(kind as Kind, object as Kinds[Kind]);
  }
  return view;
}

function slotKey(serviceId: string, slot: number): string {
  return `${serviceId}.${slot}`;
}

function present(key: string | undefined): string[] {
  return key === undefined ? [] : [key];
}
