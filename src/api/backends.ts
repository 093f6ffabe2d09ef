import type { Instant } from "../lib/index.ts";
import type {
  AddressUse,
  Availability,
  BridgeSpec,
  Cluster,
  ClusterSpec,
  ContainerInfo,
  ContainerUsage,
  DistributionInfo,
  EngineEvent,
  FileChange,
  Guest,
  ImageInfo,
  LocalNetwork,
  LogLine,
  LogQuery,
  Network,
  NetworkSpec,
  Node,
  NodeSpec,
  PathStat,
  ProcessList,
  ProgramInfo,
  ProgramWords,
  PullProgress,
  PushedTag,
  RegistryLogin,
  RunChange,
  RunSpec,
  Secret,
  SecretSpec,
  Service,
  ServiceLogLine,
  ServiceSpec,
  StreamIo,
  SwarmState,
  SystemInfo,
  Task,
  TerminalSize,
  VolumeInfo,
} from "../model/index.ts";

export type {
  ContainerInfo,
  DistributionInfo,
  EngineEvent,
  ImageInfo,
  LocalNetwork,
  LogLine,
  LogQuery,
  PullProgress,
  PushedTag,
  RegistryLogin,
  ServiceLogLine,
  SwarmState,
  SystemInfo,
  VolumeInfo,
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
  readonly trace: TraceBackend;
}

/** What `shoal trace` asks. */
export interface TraceBackend {
  /**
   * How a connection goes through this node's kernel, as JSON that the command prints. Faults: "precondition" for a node that is in no
   * swarm, or a client of another node; "not-found" for words that name nobody.
   */
  explain(question: {
    readonly client: string;
    readonly destination: string;
    readonly by?: string;
  }): Promise<object>;
}

/** This daemon and its machine. */
export interface SystemBackend {
  /** Facts for `docker version` and `docker info`. */
  info(): Promise<SystemInfo>;
  readonly startedAt: Instant;
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

/** Where the current spec's registry credentials come from when a new spec brings none. */
export type AuthFrom = "spec" | "previous-spec";

/** The cluster, on a manager. `ref` is an id, a name or a unique beginning of an id. */
export interface ManagerBackend {
  readonly cluster: {
    get(): Cluster;
    update(
      version: number,
      spec: ClusterSpec,
      rotate: { worker?: boolean; manager?: boolean },
    ): Promise<void>;
  };
  joinTokens(): { readonly worker: string; readonly manager: string };
  /** The node that leads now; undefined while there is none. */
  leaderId(): string | undefined;
  readonly services: {
    list(): Service[];
    get(ref: string): Service;
    create(spec: ServiceSpec): Promise<Service>;
    update(
      ref: string,
      version: number,
      spec: ServiceSpec,
      options?: { authFrom?: AuthFrom },
    ): Promise<Service>;
    rollback(ref: string, version: number): Promise<Service>;
    remove(ref: string): Promise<void>;
  };
  readonly networks: {
    list(): Network[];
    get(ref: string): Network;
    addressUse(network: Network): AddressUse[];
    create(spec: NetworkSpec): Promise<Network>;
    remove(ref: string): Promise<void>;
  };
  readonly nodes: {
    list(): Node[];
    get(ref: string): Node;
    update(ref: string, version: number, spec: NodeSpec): Promise<void>;
    remove(ref: string, force: boolean): Promise<void>;
  };
  readonly tasks: {
    list(): Task[];
    get(ref: string): Task;
    /** Whether the task runs the words its service has now (orchestrator's `isDirty`, turned round). */
    isUpToDate(task: Task): boolean;
  };
  /** Containers made by hand on overlays, on all nodes. */
  readonly guests: { list(): Guest[] };
  readonly secrets: FileBackend;
  readonly configs: FileBackend;
  /** Lines of a service's or a task's containers, wherever they run; the return value names nodes that did not answer. */
  logs(
    selector: { serviceId: string } | { taskId: string },
    options: LogQuery,
    signal: AbortSignal,
  ): AsyncGenerator<ServiceLogLine, string[]>;
}

/** Secrets, or configs. */
export interface FileBackend {
  list(): Secret[];
  get(ref: string): Secret;
  create(spec: SecretSpec): Promise<Secret>;
  /** Its labels; a change of anything else is refused. */
  update(ref: string, version: number, spec: SecretSpec): Promise<void>;
  remove(ref: string): Promise<void>;
}

/** Networks of this node: its own bridges, what every node has, and on a worker the overlays it is on. */
export interface LocalNetworks {
  list(): LocalNetwork[];
  /** A bridge network of this node alone. Faults: "exists", "forbidden" for a taken subnet, "invalid". */
  create(spec: BridgeSpec): Promise<LocalNetwork>;
  /** Faults: "forbidden" while a container is on it. */
  remove(id: string): Promise<void>;
  /** For a container made by hand that runs. Faults in Docker's words. */
  connect(containerId: string, networkId: string, wish: NetworkConnection): Promise<void>;
  disconnect(containerId: string, network: { readonly id: string; readonly name: string }): Promise<void>;
}

/** What a container asks of a network. */
export interface NetworkConnection {
  readonly aliases: readonly string[];
  readonly address?: string;
  readonly address6?: string;
}

/** Containers of this node; `ref` is a name, an id or a unique beginning of an id. */
export interface ContainerBackend {
  list(): Promise<ContainerInfo[]>;
  get(ref: string): Promise<ContainerInfo>;
  /** As `get`, and on a manager by the id or name of any task of the cluster, wherever it runs. */
  locate(ref: string): Promise<LocatedContainer>;
  /** What it wrote into its own file system; 0 when it is gone. */
  bytesOf(id: string): Promise<number>;
  /** A container made by hand; its id. Faults in Docker's words: a taken name, an image that is not here, a network that is none. */
  create(spec: RunSpec, name: string): Promise<string>;
  /** False when it runs already. */
  start(ref: string): Promise<boolean>;
  /** False when it does not run. */
  stop(ref: string, how: StopWords): Promise<boolean>;
  restart(ref: string, how: StopWords): Promise<void>;
  kill(ref: string, signal: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  /** Its processes as ps(1) of its machine shows them with these arguments. Faults: "conflict" when it does not run; ps's own words. */
  top(ref: string, args: string, signal: AbortSignal): Promise<ProcessList>;
  /** What it uses now; the full id. Faults "conflict" when it does not run, "not-found". */
  usage(id: string): Promise<ContainerUsage>;
  rename(ref: string, name: string): Promise<void>;
  update(ref: string, change: RunChange): Promise<void>;
  remove(ref: string, how: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  /** Process 1's streams, from now until it ends, be it not started yet; `endsInput`: its input ends with this one's. */
  attach(id: string, io: StreamIo & { readonly endsInput: boolean }, signal: AbortSignal): Promise<void>;
  resize(ref: string, size: TerminalSize): Promise<void>;
  readonly programs: ProgramBackend;
  readonly trees: TreeBackend;
  /** Begins to wait at once; its exit code. Rejects with the signal's reason. */
  wait(ref: string, condition: WaitCondition, signal: AbortSignal): Promise<number>;
  logs(id: string, options: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
}

/** A container of this node, or one that another node has; `task` when it was named by a task's words on a manager. */
export type LocatedContainer =
  | { readonly kind: "here"; readonly container: ContainerInfo; readonly task?: Task }
  | {
      readonly kind: "elsewhere";
      readonly task: Task;
      /** What `docker inspect` shows of it. Faults: "unavailable" for a node that is away, "not-found" when there is none any more. */
      inspect(signal: AbortSignal): Promise<object>;
    };

/** The files of containers; `ref` is the container's. Faults: "not-found" `Could not find the file X in container Y`. */
export interface TreeBackend {
  stat(ref: string, path: string): Promise<PathStat>;
  /** A tar archive of one file or folder, which ends with the signal. */
  read(
    ref: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly stat: PathStat; readonly archive: AsyncIterable<Uint8Array> }>;
  /**
   * Unpacks an archive in a folder. `keepsKinds`: no folder takes a file's place, nor the other way round. `asUser`: the files become the
   * container's user's. Faults "invalid" in Docker's words for what is no folder, or read-only.
   */
  write(
    ref: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    how: { readonly keepsKinds: boolean; readonly asUser: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Its own file system, without what is mounted there. */
  export(ref: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  changes(ref: string): Promise<readonly FileChange[]>;
}

/** Programs that people run in containers (`docker exec`). */
export interface ProgramBackend {
  /** Its id; `ref` is the container's, as of `locate`. */
  create(ref: string, words: ProgramWords): Promise<string>;
  /** Fault "not-found" `No such exec instance: X`. */
  require(id: string): ProgramInfo;
  /** Resolves when it runs, with its end. Faults "invalid" in runc's words when it cannot. */
  start(id: string, io: StreamIo, how: ProgramStart): Promise<{ readonly ended: Promise<number> }>;
  resize(id: string, size: TerminalSize): Promise<void>;
}

/** How a program is started. */
export interface ProgramStart {
  readonly size?: TerminalSize | undefined;
  /** Aborts when the one who looks at it has left, which ends it on another node and not on this; absent: nobody looks. */
  readonly signal?: AbortSignal;
}

/** What a stop may say: the container's own words when absent. */
export interface StopWords {
  readonly graceMs?: number;
  readonly signal?: string;
}

/** moby container/state.go WaitCondition. */
export type WaitCondition = "not-running" | "next-exit" | "removed";

/** Images of this node; words as runtime's Images. */
export interface ImageBackend {
  list(): Promise<ImageInfo[]>;
  inspect(ref: string): Promise<ImageInfo>;
  pull(
    ref: string,
    options: { auth?: string; platform?: string; onProgress: (p: PullProgress) => void; signal: AbortSignal },
  ): Promise<{ digest: string; isNew: boolean }>;
  /** Reads a `docker save` or OCI archive; the names that are here now. */
  load(
    archive: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<readonly { name?: string; id: string }[]>;
  /** One tag, or without one all of the repository's; what each points to there now. */
  push(
    ref: string,
    options: { auth?: string; onProgress: (p: PullProgress) => void; signal: AbortSignal },
  ): Promise<readonly PushedTag[]>;
  /** A `docker save` archive. Fault "not-found" before its first byte. */
  save(refs: readonly string[]): Promise<AsyncIterable<Uint8Array>>;
  /** Asks the registry whether it takes the credentials. Fault "unauthorized". */
  login(wanted: RegistryLogin): Promise<void>;
  tag(source: string, target: string): Promise<void>;
  remove(ref: string, force: boolean): Promise<readonly ({ untagged: string } | { deleted: string })[]>;
  /** What a reference points to in its registry: for the CLI's digest pinning (`/distribution/X/json`). */
  distribution(ref: string, auth?: string): Promise<DistributionInfo>;
}

export interface VolumeBackend {
  list(): Promise<VolumeInfo[]>;
  /** What its files take. */
  bytesOf(name: string): Promise<number>;
  get(name: string): Promise<VolumeInfo>;
  create(wanted: {
    name: string;
    labels: Readonly<Record<string, string>>;
    options: Readonly<Record<string, string>>;
    driver: string;
  }): Promise<VolumeInfo>;
  remove(name: string, force: boolean): Promise<void>;
}

/** What happened, local and (on a manager) in the swarm. */
export interface EventBackend {
  /**
   * Kept past events from `since` on (after it, when it is the time of one), then new ones until the signal aborts. Of a reader who does not
   * keep up it ends, after what waits for him, with Fault "unavailable"; `onBehind` is called when that is decided.
   */
  subscribe(
    since: Instant | undefined,
    signal: AbortSignal,
    onBehind?: () => void,
  ): AsyncIterable<EngineEvent>;
}
