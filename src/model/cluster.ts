import type { Meta } from "./meta.ts";
import type { TunnelRing } from "./tunnels.ts";

/** The one cluster object, named "default". Holds secrets: it never leaves a manager whole. */
export interface Cluster extends Meta {
  readonly spec: ClusterSpec;
  readonly rootCa: { readonly certificatePem: string; readonly keyPem: string };
  /** The secret halves of the join tokens. */
  readonly joinSecrets: { readonly worker: string; readonly manager: string };
  /** CIDRs that overlay subnets are cut from. */
  readonly addressPools: readonly string[];
  /** Prefix length of each cut. */
  readonly subnetSize: number;
  /** VXLAN UDP port. */
  readonly dataPathPort: number;
  /** There while there is an encrypted network. */
  readonly tunnels?: TunnelRing;
}

/** The user's words about the cluster. */
export interface ClusterSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Tasks kept per slot; negative: all. */
  readonly taskHistoryLimit: number;
  readonly heartbeatMs: number;
  readonly nodeCertExpiryMs: number;
}

/** Swarm's defaults (swarmkit api/defaults, swarm-map 2.5). */
export const DEFAULT_CLUSTER_SPEC: ClusterSpec = {
  name: "default",
  labels: {},
  taskHistoryLimit: 5,
  heartbeatMs: 5_000,
  nodeCertExpiryMs: 90 * 24 * 3600 * 1000,
};
export const DEFAULT_ADDRESS_POOLS: readonly string[] = ["10.0.0.0/8"];
export const DEFAULT_SUBNET_SIZE = 24;
export const DEFAULT_DATA_PATH_PORT = 4789;
/** Heartbeats that may be missed before a node counts as down (swarmkit dispatcher grace multiplier). */
export const HEARTBEAT_GRACE = 3;
