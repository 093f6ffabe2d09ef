import type { Instant } from "../lib/index.ts";
import type { GenericResource } from "./container.ts";
import type { Meta } from "./meta.ts";
import type { TunnelEnd } from "./tunnels.ts";

export type NodeRole = "worker" | "manager";
export type Availability = "active" | "pause" | "drain";
export type NodeState = "unknown" | "down" | "ready" | "disconnected";

/** One machine that joined. */
export interface Node extends Meta {
  readonly spec: NodeSpec;
  readonly role: NodeRole;
  /** What the agent reported; absent until its first session. */
  readonly description?: NodeDescription;
  readonly status: NodeStatus;
  /** Where its tunnels end. */
  readonly dataPathAddress: string;
  /** What its agent said of encrypted tunnels; absent for one that does not know of them. */
  readonly tunnelEnd?: TunnelEnd;
  /** Managers: where the node listens for other nodes, "10.0.0.1:2377". */
  readonly managerAddress?: string;
  /** Its own address on each overlay network it is on: network id to "10.0.1.3". */
  readonly attachments: Readonly<Record<string, string>>;
}

export interface NodeStatus {
  readonly state: NodeState;
  readonly message: string;
  readonly address: string;
  /** When it went down, by the managers' clock; absent while it is not. */
  readonly downAt?: Instant;
}

export interface NodeSpec {
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly role: NodeRole;
  readonly availability: Availability;
}

export interface NodeDescription {
  readonly hostname: string;
  /** e.g. "x86_64", "linux". */
  readonly platform: { readonly architecture: string; readonly os: string };
  readonly resources: {
    readonly nanoCpus: number;
    readonly memoryBytes: number;
    readonly generic: readonly GenericResource[];
  };
  readonly engineVersion: string;
  readonly engineLabels: Readonly<Record<string, string>>;
  readonly plugins: readonly { readonly type: string; readonly name: string }[];
}
