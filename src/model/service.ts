import type { Instant } from "../lib/index.ts";
import type { ContainerSpec, Resources } from "./container.ts";
import type { Meta } from "./meta.ts";

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
  /** Jobs: which run of the job is under way. */
  readonly job?: JobStatus;
}

export interface ServiceSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly task: TaskSpec;
  readonly mode: ServiceMode;
  readonly update?: UpdateConfig;
  readonly rollback?: UpdateConfig;
  readonly endpoint: EndpointSpec;
}

/** How many tasks a service has: by number or one per eligible node; for ever, or until they complete (jobs). */
export type ServiceMode =
  | { readonly kind: "replicated"; readonly replicas: number }
  | { readonly kind: "global" }
  /** At most `maxConcurrent` at a time until `totalCompletions` have completed. */
  | { readonly kind: "replicated-job"; readonly maxConcurrent: number; readonly totalCompletions: number }
  | { readonly kind: "global-job" };

/** The tasks it wants in all; undefined when the number of nodes decides. */
export function replicasOf(mode: ServiceMode): number | undefined {
  if (mode.kind === "replicated") return mode.replicas;
  return mode.kind === "replicated-job" ? mode.totalCompletions : undefined;
}

/** One task on every eligible node, rather than a number of them anywhere. */
export function isGlobal(kind: ServiceMode["kind"] | undefined): boolean {
  return kind === "global" || kind === "global-job";
}

/** Its tasks run until they complete, rather than for ever. */
export function isJob(kind: ServiceMode["kind"] | undefined): boolean {
  return kind === "replicated-job" || kind === "global-job";
}

/** Counted up by every update of a job: tasks of older iterations are of the past. */
export interface JobStatus {
  readonly iteration: number;
  readonly lastExecution: Instant;
}

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
  /** "node.labels.disk==ssd", "node.role!=manager": all must hold. */
  readonly constraints: readonly string[];
  /** Nested: spread over the values of the first label, then inside each over those of the second. */
  readonly preferences: readonly { readonly spread: string }[];
  /** Tasks of the service on one node; 0: no limit. */
  readonly maxReplicas: number;
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
  readonly driverOptions?: Readonly<Record<string, string>>;
}

export interface LogDriver {
  /** "": nobody chose one, and the node's default, json-file, it is. */
  readonly name: "" | "json-file" | "none";
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

/** A service's address on one network, without prefix. */
export interface Vip {
  readonly networkId: string;
  readonly address: string;
  /** On a network with IPv6. */
  readonly address6?: string;
}

/** A service's presence: the numbers it was given. */
export interface Endpoint {
  /** The words these numbers were given for. */
  readonly spec: EndpointSpec;
  readonly ports: readonly PortSpec[];
  /** One per attached network with mode vip, plus ingress when a port is published there. */
  readonly vips: readonly Vip[];
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
