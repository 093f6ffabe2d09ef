import type { Cluster, Kind, Kinds, Network, Node, Service, Task } from "../model/index.ts";

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
  /** Services whose words name the network; the ingress network is never named. */
  servicesByNetwork(networkId: string): Iterable<Service>;
}

/** What a commit did to one object: `before` is absent when it is new, `after` when it is gone. */
export interface ObjectChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly before?: Kinds[K];
  readonly after?: Kinds[K];
}
