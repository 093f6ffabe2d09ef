import type { Cluster, Guest, Kind, Kinds, Network, Node, Service, Task } from "../model/index.ts";

/**
 * The cluster's objects as they are at one version: what deciders read. Reads are synchronous and objects are frozen,
 * so a decider that does not wait sees one snapshot.
 */
export interface View {
  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined;
  all<K extends Kind>(kind: K): Iterable<Kinds[K]>;
  /** Objects whose id begins so, by a walk over all of the kind: for words that people type. */
  findByIdPrefix<K extends Kind>(kind: K, prefix: string): Kinds[K][];
  /** The one cluster object, once there is one. */
  cluster(): Cluster | undefined;
  serviceByName(name: string): Service | undefined;
  networkByName(name: string): Network | undefined;
  /** Hostnames need not be unique. */
  nodesByHostname(hostname: string): Iterable<Node>;
  tasksByService(serviceId: string): Iterable<Task>;
  /** Every task a slot ever had and still has on record, running or not. */
  tasksBySlot(serviceId: string, slot: number): Iterable<Task>;
  tasksByNode(nodeId: string): Iterable<Task>;
  /** Tasks that hold an address on the network. */
  tasksByNetwork(networkId: string): Iterable<Task>;
  guestsByNode(nodeId: string): Iterable<Guest>;
  /** Guests that hold an address on the network. */
  guestsByNetwork(networkId: string): Iterable<Guest>;
  /** Services whose words name the network; the ingress network is never named. */
  servicesByNetwork(networkId: string): Iterable<Service>;
  /** What follows from the objects; to be read only (fork it to go on from it). The same value until the view moves. */
  derive<S>(derived: Derived<S>): S;
}

/** What a commit did to one object: `before` is absent when it is new, `after` when it is gone. */
export interface ObjectChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly before?: Kinds[K];
  readonly after?: Kinds[K];
}

/**
 * Something that follows from the objects alone, such as what each node carries: a view that was asked for it once keeps
 * it up to date, at the cost of what changes. Law: whatever came before, the state equals that of a view that was given
 * the same objects afresh.
 */
export interface Derived<S> {
  /** Of no objects. */
  empty(): S;
  /** Moves the state, in place, past one object's change. */
  apply(state: S, change: ObjectChange): void;
  /** A state that moves on without the first one knowing; costs little, and what is changed in it. */
  fork(state: S): S;
}
