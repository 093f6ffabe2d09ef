import type { Instant } from "../lib/index.ts";
import type {
  Availability,
  Cluster,
  ClusterSpec,
  Network,
  NetworkSpec,
  Node,
  NodeSpec,
  Service,
  ServiceSpec,
  Task,
} from "../model/index.ts";

/** What the Engine API needs behind it. All errors are Faults; their messages reach the user as they are. */
export interface Backends {
  readonly system: SystemBackend;
  readonly swarm: SwarmBackend;
  /** The cluster's control. Fault "unavailable" in Docker's words on a node that is no manager. */
  manager(): ManagerBackend;
  readonly networks: LocalNetworks;
  readonly containers: ContainerBackend;
  readonly images: ImageBackend;
  readonly volumes: VolumeBackend;
  readonly events: EventBackend;
}

/** This daemon and its machine. */
export interface SystemBackend {
  /** Facts for `docker version` and `docker info`. */
  info(): Promise<SystemInfo>;
  /** Checks credentials against a registry (`docker login`): the registry's word for success. */
  readonly startedAt: Instant;
}

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
}

/** This node's membership in a swarm. */
export interface SwarmBackend {
  /** The new node's id. Faults: "unavailable" `This node is already part of a swarm…`, "invalid". */
  init(request: InitRequest): Promise<string>;
  join(request: JoinRequest): Promise<void>;
  leave(force: boolean): Promise<void>;
  state(): SwarmState;
}

export interface InitRequest {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  /** 0: the default. */
  readonly dataPathPort: number;
  readonly addressPools: readonly string[];
  /** 0: the default. */
  readonly subnetSize: number;
  readonly forceNewCluster: boolean;
  readonly availability: Availability;
  readonly spec: ClusterSpec;
}

export interface JoinRequest {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly remoteAddresses: readonly string[];
  readonly token: string;
  readonly availability: Availability;
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

/** Where the current spec's registry credentials come from when a new spec brings none. */
export type AuthFrom = "spec" | "previous-spec";

/** The cluster, on a manager. `ref` is an id, a name or a unique beginning of an id. */
export interface ManagerBackend {
  readonly cluster: {
    get(): Cluster;
    update(version: number, spec: ClusterSpec, rotate: { worker?: boolean; manager?: boolean }): Promise<void>;
  };
  joinTokens(): { readonly worker: string; readonly manager: string };
  readonly services: {
    list(): Service[];
    get(ref: string): Service;
    create(spec: ServiceSpec): Promise<Service>;
    update(ref: string, version: number, spec: ServiceSpec, options?: { authFrom?: AuthFrom }): Promise<Service>;
    rollback(ref: string, version: number): Promise<Service>;
    remove(ref: string): Promise<void>;
  };
  readonly networks: {
    list(): Network[];
    get(ref: string): Network;
    create(spec: NetworkSpec): Promise<Network>;
    remove(ref: string): Promise<void>;
  };
  readonly nodes: {
    list(): Node[];
    get(ref: string): Node;
    update(ref: string, version: number, spec: NodeSpec): Promise<void>;
    remove(ref: string, force: boolean): Promise<void>;
  };
  readonly tasks: { list(): Task[]; get(ref: string): Task };
  /** Lines of a service's or a task's containers, wherever they run; the return value names nodes that did not answer. */
  logs(selector: { serviceId: string } | { taskId: string }, options: LogQuery, signal: AbortSignal): AsyncGenerator<ServiceLogLine, string[]>;
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
  readonly line: Uint8Array;
}

export interface ServiceLogLine extends LogLine {
  readonly nodeId: string;
  readonly serviceId: string;
  readonly taskId: string;
}

/** What a node knows of networks by itself: its own bridge, and on a worker the overlays it is on. */
export interface LocalNetworks {
  list(): LocalNetwork[];
}

export interface LocalNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "overlay";
  readonly scope: "local" | "swarm";
  readonly subnet: string;
  readonly gateway: string;
  readonly internal: boolean;
  readonly ingress: boolean;
}

/** Containers of this node; `ref` is a name, an id or a unique beginning of an id. */
export interface ContainerBackend {
  list(): Promise<ContainerInfo[]>;
  get(ref: string): Promise<ContainerInfo>;
  logs(id: string, options: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
}

/** runtime's ContainerState, as far as the API shows it. */
export interface ContainerInfo {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: "created" | "running" | "stopped";
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
    readonly netns: string;
    readonly capAdd: readonly string[];
    readonly capDrop: readonly string[];
    readonly sysctls: Readonly<Record<string, string>>;
    readonly resources: { readonly memoryBytes?: number; readonly nanoCpus?: number; readonly pids?: number };
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
  }[];
}

/** Images of this node; words as runtime's Images. */
export interface ImageBackend {
  list(): Promise<ImageInfo[]>;
  inspect(ref: string): Promise<ImageInfo>;
  pull(ref: string, options: { auth?: string; platform?: string; onProgress: (p: PullProgress) => void; signal: AbortSignal }): Promise<{ digest: string; isNew: boolean }>;
  /** Reads a `docker save` or OCI archive; the names that are here now. */
  load(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<readonly { name?: string; id: string }[]>;
  tag(source: string, target: string): Promise<void>;
  remove(ref: string, force: boolean): Promise<readonly ({ untagged: string } | { deleted: string })[]>;
  /** What a reference points to in its registry: for the CLI's digest pinning (`/distribution/X/json`). */
  distribution(ref: string, auth?: string): Promise<DistributionInfo>;
}

/** One step of a pull: which layer (short digest) is where, and how far. */
export interface PullProgress {
  readonly id: string;
  readonly status: string;
  readonly current?: number;
  readonly total?: number;
}

export interface DistributionInfo {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly platforms: readonly { readonly architecture: string; readonly os: string; readonly variant?: string }[];
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
  readonly layers: readonly string[];
  readonly history: readonly Readonly<Record<string, unknown>>[];
}

export interface VolumeBackend {
  list(): Promise<VolumeInfo[]>;
  get(name: string): Promise<VolumeInfo>;
  create(wanted: { name: string; labels: Readonly<Record<string, string>>; options: Readonly<Record<string, string>>; driver: string }): Promise<VolumeInfo>;
  remove(name: string, force: boolean): Promise<void>;
}

export interface VolumeInfo {
  readonly name: string;
  readonly driver: string;
  readonly path: string;
  readonly createdAt: Instant;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** What happened, local and (on a manager) in the swarm. */
export interface EventBackend {
  /** Kept past events from `since` on, then new ones until the signal aborts. */
  subscribe(since: Instant | undefined, signal: AbortSignal): AsyncIterable<EngineEvent>;
}

export interface EngineEvent {
  readonly type: "container" | "image" | "volume" | "network" | "service" | "node";
  readonly action: string;
  readonly scope: "local" | "swarm";
  /** Id (or for images and volumes name) of the thing. */
  readonly actor: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly at: Instant;
}
