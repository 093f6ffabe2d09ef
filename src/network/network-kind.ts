import type { TaskFact } from "../dataplane/index.ts";
import type { EndpointPlace, NetworkWish } from "../engine/index.ts";

/** A network that a user may mean by a name, an id, or the unique beginning of an id. */
export interface KnownNetwork {
  readonly id: string;
  readonly name: string;
}

/** A network that a container came to, or left. */
export type MetNetwork = KnownNetwork & Pick<NetworkKind, "driver">;

/** A container made by hand, as far as networks go. */
export interface Guest {
  readonly id: string;
  readonly name: string;
}

/** A container's place on one network, and what of it the node's network is planned from. */
export interface Membership {
  readonly network: KnownNetwork;
  readonly place: Omit<EndpointPlace, "device">;
  readonly share: Pick<TaskFact, "addresses" | "addresses6" | "bridges">;
  /** Whether names are looked up there: at the node's resolver then. */
  readonly named: boolean;
}

/**
 * One kind of network that containers made by hand can be on: the bridges of this node, the attachable overlays of the cluster. It hands
 * out addresses; devices, ports and the kernel are no business of it.
 */
export interface NetworkKind {
  readonly driver: "bridge" | "overlay";
  /** The network that is meant; undefined when there is none of this kind. Fault "invalid" when it is ambiguous. */
  find(ref: string): Promise<KnownNetwork | undefined>;
  /** Faults when the container cannot be there as it wishes. Makes nothing. */
  check(network: KnownNetwork, wish: NetworkWish): void;
  /** Gives the container its addresses there; asked twice, the same. Faults: "conflict" for a taken one. */
  join(network: KnownNetwork, guest: Guest, wish: NetworkWish, signal: AbortSignal): Promise<Membership>;
  /** A container that runs there already; undefined when the network is not of this kind. */
  adopt(guest: Guest, place: EndpointPlace, wish: NetworkWish): Membership | undefined;
  /** The container has another name: its place with that. */
  rename(guest: Guest, known: Membership): Membership;
  /** The container is there no more, and the kernel knows: its addresses are free. */
  leave(networkId: string, containerId: string): void;
}
