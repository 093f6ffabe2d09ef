import { equal, isIpv6, type Subnet } from "../lib/index.ts";
import type { Meta } from "./meta.ts";

/** An overlay network of the cluster (docker_gwbridge and the like are the node's own and not here). */
export interface Network extends Meta {
  readonly spec: NetworkSpec;
  /** Handed out by the allocator; absent until then. */
  readonly state?: NetworkState;
  /** Why the allocator could not serve it yet, as a sentence. */
  readonly allocationError?: string;
}

/** Driver option of a network: how IPVS draws a task on nodes that balance with it. All tasks weigh the same. */
export const SCHEDULER_OPTION = "shoal.ipvs.scheduler";
/** By turns; fewest connections; by the client's address, plainly or so that few move when tasks come and go (Maglev). */
export const SCHEDULERS: readonly string[] = ["rr", "lc", "sh", "mh"];

export interface NetworkSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driver: "overlay";
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly attachable: boolean;
  readonly internal: boolean;
  readonly ingress: boolean;
  /** IPv6 beside IPv4. The ingress network says no: it takes IPv6 clients by itself. */
  readonly ipv6?: boolean;
  /** Asked-for address spaces, those of a family in the order in which they are filled. */
  readonly ipam: readonly IpamConfig[];
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
}

export interface IpamConfig {
  readonly subnet?: string;
  readonly gateway?: string;
  readonly ipRange?: string;
  /** Names to addresses that nobody may get. */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

/** What was asked for in one family; an entry without a subnet is of IPv4. */
export function ipamOf({ ipam }: Pick<NetworkSpec, "ipam">, family: 4 | 6): readonly IpamConfig[] {
  return ipam.filter(({ subnet = "" }) => isIpv6(subnet) === (family === 6));
}

/** What was handed out: its IPv4 side, and one VNI for all of its subnets, because sandboxes route and need no wire for each. */
export interface NetworkState extends NetworkSide {
  readonly vni: number;
  /** The same for IPv6, on a network that has it beside IPv4. */
  readonly v6?: NetworkSide;
}

/** A network in one family. The first subnet is by itself, where it was when there were no more. */
export interface NetworkSide extends SubnetState {
  /** Addresses are given of the next one when those before it are full. */
  readonly more?: readonly SubnetState[];
}

export interface SubnetState extends Subnet {
  readonly ipRange?: string;
  /** The address given last: the next one is looked for after it. */
  readonly cursor?: string;
}

/** A subnet of a network that nodes have by themselves, so that no overlay can have it: their gateway bridge's. */
export interface OwnSubnet {
  readonly name: string;
  readonly subnet: string;
}

/** How full one subnet of a network is. */
export interface AddressUse {
  readonly subnet: string;
  /** Addresses that somebody holds, or that nobody may have: the ends, the gateway, auxiliary ones. */
  readonly inUse: number;
  /** Addresses of the range that are left to be given. */
  readonly free: number;
}

/** True when a change of a network is more than another address given. */
export function isOtherNetwork(before: Network | undefined, after: Network | undefined): boolean {
  return !equal(withoutCursor(before), withoutCursor(after));
}

function withoutCursor(network: Network | undefined): unknown {
  if (network === undefined) return undefined;
  const { version: _, updatedAt: __, state, ...rest } = network;
  if (state === undefined) return { ...rest, state };
  return { ...rest, state: { ...sideWithoutCursor(state), v6: state.v6 && sideWithoutCursor(state.v6) } };
}

function sideWithoutCursor<S extends NetworkSide>(side: S): S {
  const more = side.more?.map((subnet) => ({ ...subnet, cursor: undefined }));
  return { ...side, cursor: undefined, more };
}

/** A network that every node has of its own, so that no object of the cluster is it: only its name and id are known. */
export interface PredefinedNetwork {
  readonly id: string;
  readonly name: "host" | "bridge";
}

/** The node's own network namespace: a task there has no address, name or balancer of its own. */
export const HOST_NETWORK: PredefinedNetwork = { id: "predefined0network000host", name: "host" };
/** The way to the outside, which every task of an overlay has anyway, and nothing else. */
const BRIDGE_NETWORK: PredefinedNetwork = { id: "predefined0network0bridge", name: "bridge" };
/** Swarm's (swarmkit manager/allocator/networkallocator PredefinedNetworks); as there, `none` is not among them. */
export const PREDEFINED_NETWORKS: readonly PredefinedNetwork[] = [HOST_NETWORK, BRIDGE_NETWORK];

export function isPredefined(networkId: string): boolean {
  return PREDEFINED_NETWORKS.some(({ id }) => id === networkId);
}

/** True for words that put tasks into their node's own network namespace. */
export function isOnHost({
  networks,
}: {
  readonly networks: readonly { readonly target: string }[];
}): boolean {
  return networks.some(({ target }) => target === HOST_NETWORK.id);
}

export const INGRESS_NAME = "ingress";
/** First VNI that is handed out (libnetwork ovmanager). */
export const FIRST_VNI = 4096;
export const LAST_VNI: number = 2 ** 24 - 1;
/** 1500 less the VXLAN envelope: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348). */
export const OVERLAY_MTU = 1450;
