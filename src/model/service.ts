import type { Instant } from "../lib/index.ts";
import type { ContainerSpec, Resources } from "./container.ts";
import type { Meta } from "./object.ts";

/** What should run. */
export interface Service extends Meta {
  readonly spec: ServiceSpec;
  readonly previousSpec?: ServiceSpec;
  /** The service's version when `spec` last changed: tells tasks of old words from tasks of new ones. */
  readonly specVersion: number;
  /** Handed out by the allocator; absent until then. */
  readonly endpoint?: Endpoint;
  /** Why the allocator could not serve it yet, as a sentence. */
  readonly allocationError?: string;
  readonly updateStatus?: UpdateStatus;
}

export interface ServiceSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly task: TaskSpec;
  readonly mode: ServiceMode;
  readonly update?: UpdateConfig;
  readonly endpoint: EndpointSpec;
}

/** More modes arrive with the planners that serve them. */
export type ServiceMode = { readonly kind: "replicated"; readonly replicas: number };

/** One task's words: what a task copies from its service at birth. */
export interface TaskSpec {
  readonly container: ContainerSpec;
  readonly resources: Resources;
  readonly restart: RestartPolicy;
  readonly placement: Placement;
  readonly networks: readonly NetworkAttachmentSpec[];
  readonly log: LogDriver;
  /** Counted up by `service update --force`. */
  readonly forceUpdate: number;
}

export interface Placement {
  /** Empty or matching one: the image's platforms, as the client resolved them. */
  readonly platforms: readonly { readonly architecture: string; readonly os: string }[];
}

export interface RestartPolicy {
  readonly condition: "none" | "on-failure" | "any";
  readonly delayMs: number;
  /** 0: no limit. */
  readonly maxAttempts: number;
  /** 0: the service's whole life. */
  readonly windowMs: number;
}

export interface NetworkAttachmentSpec {
  /** Network id. */
  readonly target: string;
  readonly aliases: readonly string[];
}

export interface LogDriver {
  readonly name: "json-file" | "none";
  readonly options: Readonly<Record<string, string>>;
}

export interface UpdateConfig {
  /** 0: all at once. */
  readonly parallelism: number;
  readonly delayMs: number;
  readonly failureAction: "pause" | "continue" | "rollback";
  readonly monitorMs: number;
  readonly maxFailureRatio: number;
  readonly order: "stop-first" | "start-first";
}

export interface UpdateStatus {
  readonly state:
    | "updating"
    | "paused"
    | "completed"
    | "rollback_started"
    | "rollback_paused"
    | "rollback_completed";
  readonly startedAt: Instant;
  readonly completedAt?: Instant;
  readonly message: string;
}

export interface EndpointSpec {
  readonly mode: "vip" | "dnsrr";
  readonly ports: readonly PortSpec[];
}

export type Protocol = "tcp" | "udp" | "sctp";

export interface PortSpec {
  readonly name: string;
  readonly protocol: Protocol;
  readonly target: number;
  /** 0: let the allocator choose from 30000 to 32767. */
  readonly published: number;
  readonly publishMode: "ingress" | "host";
}

/** A service's presence: the numbers it was given. */
export interface Endpoint {
  /** The words these numbers were given for. */
  readonly spec: EndpointSpec;
  readonly ports: readonly PortSpec[];
  /** One per attached network with mode vip, plus ingress when a port is published there; addresses without prefix. */
  readonly vips: readonly { readonly networkId: string; readonly address: string }[];
}

/** swarmkit api/defaults/service.go. */
export const DEFAULT_RESTART: RestartPolicy = {
  condition: "any",
  delayMs: 5_000,
  maxAttempts: 0,
  windowMs: 0,
};
export const DEFAULT_UPDATE: UpdateConfig = {
  parallelism: 1,
  delayMs: 0,
  failureAction: "pause",
  monitorMs: 5_000,
  maxFailureRatio: 0,
  order: "stop-first",
};
export const DYNAMIC_PORTS = { first: 30_000, last: 32_767 } as const;
export const DEFAULT_STOP_GRACE_MS = 10_000;
