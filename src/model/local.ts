import type { Instant } from "../lib/index.ts";
import type { HealthCheck, Privileges } from "./container.ts";
import type { IpamConfig } from "./network.ts";
import type { RunSpec } from "./run-spec.ts";

/*
 * What one node knows of itself: its machine, containers, images, volumes, logs and events.
 * Values that are never stored; the Engine API shows them.
 */

/** The daemon and its machine, as `docker version` and `docker info` tell it. */
export interface SystemInfo {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** uname's word: "x86_64". */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly dataRoot: string;
  readonly labels: readonly string[];
  readonly cgroupVersion: "1" | "2";
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly containerdVersion: string;
  readonly runcVersion: string;
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** Sentences on what is wrong with the machine, as `docker info` ends with them: "WARNING: …". */
  readonly warnings: readonly string[];
}

/** The Swarm section of `docker info`. */
export interface SwarmState {
  readonly nodeId: string;
  readonly nodeAddress: string;
  readonly state: "inactive" | "pending" | "active" | "error";
  readonly isManager: boolean;
  readonly error: string;
  readonly managers: readonly { readonly nodeId: string; readonly address: string }[];
}

export interface LogQuery {
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tail?: number;
  /** Nanoseconds since 1970. */
  readonly since?: bigint;
  readonly until?: bigint;
}

export interface LogLine {
  /** Nanoseconds since 1970. */
  readonly at: bigint;
  readonly stream: "stdout" | "stderr";
  /** One line with its newline, when it has one. */
  readonly line: Uint8Array;
}

export interface ServiceLogLine extends LogLine {
  readonly nodeId: string;
  readonly serviceId: string;
  readonly taskId: string;
}

export interface LocalNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "overlay" | "host" | "null";
  readonly scope: "local" | "swarm";
  /** Empty: it has none. */
  readonly subnet: string;
  readonly gateway: string;
  readonly internal: boolean;
  readonly ingress: boolean;
  readonly createdAt?: Instant;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly ipRange?: string;
  readonly auxAddresses?: Readonly<Record<string, string>>;
  readonly v6?: { readonly subnet: string; readonly gateway: string };
  readonly attachable?: boolean;
  /** Somebody made it, so that it can be removed. */
  readonly custom?: boolean;
  /** A container is on it. */
  readonly inUse?: boolean;
}

/** What a user asks for: a bridge network of one node. */
export interface BridgeSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly internal: boolean;
  /** Kept and shown; every container of the node may be there anyway. */
  readonly attachable: boolean;
  readonly ipv6: boolean;
  /** At most one of IPv4, and one of IPv6. */
  readonly ipam: readonly IpamConfig[];
}

/** runtime's ContainerState, as far as the API shows it. */
export interface ContainerInfo {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: "created" | "running" | "stopped";
  /** It runs, and stands still. */
  readonly paused?: boolean;
  readonly pid?: number;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly createdAt: Instant;
  readonly startedAt?: Instant;
  readonly finishedAt?: Instant;
  readonly image: string;
  readonly imageId: string;
  readonly command: readonly string[];
  readonly mounts: readonly {
    readonly type: "bind" | "volume" | "tmpfs";
    readonly name?: string;
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
  }[];
  readonly logPath: string;
  /** The image's and the user's in one; zeros are Docker's defaults. */
  readonly healthCheck?: HealthCheck;
  /** From its first start on, when it has a health check. */
  readonly health?: {
    readonly status: "starting" | "healthy" | "unhealthy";
    readonly failingStreak: number;
    readonly log: readonly {
      readonly start: Instant;
      readonly end: Instant;
      readonly exitCode: number;
      readonly output: string;
    }[];
  };
  readonly config: {
    readonly hostname: string;
    readonly env: readonly string[];
    readonly user?: string;
    readonly dir?: string;
    readonly tty: boolean;
    readonly openStdin: boolean;
    readonly readOnly: boolean;
    readonly init?: boolean;
    readonly entrypoint?: readonly string[];
    readonly args?: readonly string[];
    readonly stopSignal?: string;
    readonly netns?: string;
    readonly capAdd: readonly string[];
    readonly capDrop: readonly string[];
    readonly sysctls: Readonly<Record<string, string>>;
    readonly groups: readonly string[];
    readonly hosts: readonly { readonly address: string; readonly names: readonly string[] }[];
    readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
    readonly oomScoreAdj?: number;
    readonly privileges?: Privileges;
    readonly resources: {
      readonly memoryBytes?: number;
      readonly memoryReservationBytes?: number;
      readonly memorySwapBytes?: number;
      readonly nanoCpus?: number;
      readonly cpuShares?: number;
      readonly cpusetCpus?: string;
      readonly cpusetMems?: string;
      readonly pids?: number;
    };
    readonly logDriver?: "json-file" | "none";
    readonly logMaxBytes: number;
    readonly logMaxFiles: number;
  };
  /** Its place on each network: name, network id, address with prefix length, gateway, MAC. */
  readonly networks: readonly {
    readonly name: string;
    readonly networkId: string;
    readonly address: string;
    readonly gateway: string;
    readonly mac: string;
    /** On a network with IPv6: "fd00:1::5/64". */
    readonly v6?: { readonly address: string; readonly gateway: string };
    /** Of a container made by hand: its other names there. */
    readonly aliases?: readonly string[];
    /** The addresses that somebody chose for it; absent: those that it has, which are the cluster's choice. */
    readonly asked?: { readonly address?: string; readonly address6?: string };
  }[];
  /** Ports of the host that lead to it alone (published in host mode). */
  readonly hostPorts: readonly {
    readonly protocol: "tcp" | "udp" | "sctp";
    readonly published: number;
    readonly target: number;
    /** The host's address that it is bound to; absent: all of them. */
    readonly hostAddress?: string;
  }[];
  /** Of one that was made by hand: how it was asked for, and how often its restart rule has started it. */
  readonly run?: { readonly spec: RunSpec; readonly restarts: number; readonly isRestarting: boolean };
}

/** One step of a pull: which layer (short digest) is where, and how far. */
export interface PullProgress {
  readonly id: string;
  readonly status: string;
  readonly current?: number;
  readonly total?: number;
}

/** What a pushed tag points to in its registry. */
export interface PushedTag {
  readonly tag: string;
  readonly digest: string;
  /** Of the manifest, bytes. */
  readonly size: number;
}

/** Credentials that `docker login` asks a registry about. Never logged. */
export interface RegistryLogin {
  /** As the CLI names the registry: "https://index.docker.io/v1/", "host:5000"; empty: Docker Hub. */
  readonly server: string;
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
}

export interface DistributionInfo {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly platforms: readonly {
    readonly architecture: string;
    readonly os: string;
    readonly variant?: string;
  }[];
}

export interface ImageInfo {
  readonly id: string;
  readonly target: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly createdAt?: Instant;
  readonly taggedAt: Instant;
  readonly sizeBytes: number;
  readonly platform: { readonly architecture?: string; readonly os?: string; readonly variant?: string };
  readonly author?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
  /** Digests of the uncompressed layers, base first, and the bytes of each, unpacked. */
  readonly layers: readonly string[];
  readonly layerBytes: readonly number[];
  readonly history: readonly Readonly<Record<string, unknown>>[];
}

export interface VolumeInfo {
  readonly name: string;
  /** Nobody gave it a name. */
  readonly anonymous: boolean;
  readonly driver: string;
  readonly path: string;
  readonly createdAt: Instant;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

export interface EngineEvent {
  readonly type:
    | "container"
    | "image"
    | "volume"
    | "network"
    | "service"
    | "node"
    | "secret"
    | "config"
    | "daemon";
  readonly action: string;
  readonly scope: "local" | "swarm";
  /** Id (or for images and volumes name) of the thing. */
  readonly actor: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** To the microsecond, and no other event's. */
  readonly at: Instant;
}
