import type { Instant } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";
import type { ExecConfig, ExecResult, Health, HealthCheck, HealthStatus } from "./health.ts";
import type { ContainerStreams } from "./program.ts";
import type { ContainerTrees } from "./tree.ts";

/** What a container is made of. Absent fields are the image's choice. */
export interface ContainerConfig {
  /** 64 lowercase hex digits, as Docker's. */
  readonly id: string;
  readonly name: string;
  /** A reference, id or digest that `Images.resolve` finds here. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Replaces the image's ENTRYPOINT (and then its CMD too). */
  readonly entrypoint?: readonly string[];
  /** Replaces the image's CMD. */
  readonly args?: readonly string[];
  /** "KEY=value"; added to the image's. */
  readonly env: readonly string[];
  readonly dir?: string;
  /** "name", "uid", "name:group", "uid:gid". */
  readonly user?: string;
  readonly groups: readonly string[];
  readonly hostname: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly readOnly: boolean;
  /** Run a reaping init as process 1. */
  readonly init?: boolean;
  /** "SIGTERM" or "15". */
  readonly stopSignal?: string;
  readonly mounts: readonly Mount[];
  /** Files whose contents are nobody else's to see: handed to `create`, kept in memory alone. */
  readonly files?: readonly MemoryFile[];
  /** Lines of /etc/hosts after localhost. */
  readonly hosts: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly dns: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj?: number;
  readonly resources: Resources;
  /** Laid over the image's HEALTHCHECK as Docker does it; absent: the image's own. */
  readonly health?: HealthCheck;
  /** Absent: Docker's seccomp profile, and set-user-ID programs work. */
  readonly privileges?: Privileges;
  /** Path of the pinned network namespace; absent: containerd's own, the host's; empty: one of its own that has nothing in it. */
  readonly netns?: string;
  /**
   * The container whose network it shares, as that has it when this one starts, and whose /etc/hosts, /etc/hostname and /etc/resolv.conf
   * it sees. `netns` says nothing then.
   */
  readonly networkOf?: string;
  /** Of /dev/shm; absent: 64 MB. */
  readonly shmBytes?: number;
  /** Absent: it is shut off from its machine as Docker does it. */
  readonly machine?: MachineShare;
  /** Absent: json-file. With none nothing is kept, and there is nothing to read. */
  readonly logDriver?: "json-file" | "none";
  /** Log rotation: bytes per file, number of files. */
  readonly logMaxBytes: number;
  readonly logMaxFiles: number;
}

/** How far a container is let into its machine. */
export interface MachineShare {
  /** All capabilities and devices, no filter of system calls, nothing hidden. */
  readonly isPrivileged: boolean;
  /** Those that are the host's and not its own. */
  readonly hostNamespaces: readonly ("pid" | "ipc" | "uts")[];
  readonly devices: readonly DeviceShare[];
}

/** A device of the host, or a folder of them. */
export interface DeviceShare {
  readonly source: string;
  /** Its place in the container. */
  readonly target: string;
  /** Of "rwm": read, write, make. */
  readonly access: string;
}

/** A file that the container can read and nobody can change. */
export interface MemoryFile {
  /** Absolute; also which of the contents it is. */
  readonly target: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What a container's files hold, by target. */
export type FileContents = ReadonlyMap<string, Uint8Array>;

export interface Resources {
  readonly memoryBytes?: number;
  /** What the kernel leaves it when memory is short: memory.low, or version 1's soft limit. */
  readonly memoryReservationBytes?: number;
  /** Memory and swap together; -1: no limit. Absent: as much swap as memory. */
  readonly memorySwapBytes?: number;
  readonly nanoCpus?: number;
  /** Its part of the CPUs' time where there is not enough for all; Docker's usual one is 1024. */
  readonly cpuShares?: number;
  /** "0-2,7": the CPUs that it may run on, and the nodes of memory that it may have. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pids?: number;
}

export interface Privileges {
  readonly noNewPrivileges: boolean;
  /** A custom profile is base64 of its JSON, in Docker's form. */
  readonly seccomp?: { readonly mode: "default" | "unconfined" | "custom"; readonly profile: string };
  /** No profile is loaded in either mode. */
  readonly appArmor?: "default" | "disabled";
}

export type Mount = BindMount | VolumeMount | TmpfsMount;

interface MountBase {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface BindMount extends MountBase {
  readonly type: "bind";
  readonly propagation?: string;
}

/** `source` is the volume's name; empty: an anonymous one that goes with its container. */
export interface VolumeMount extends MountBase {
  readonly type: "volume";
  /** Do not fill an empty volume from the image. */
  readonly noCopy: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** The part of it that is mounted, a path from its top. */
  readonly subpath?: string;
}

export interface TmpfsMount extends MountBase {
  readonly type: "tmpfs";
  readonly sizeBytes?: number;
  readonly mode?: number;
}

/** A container as it is now. */
export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: "created" | "running" | "stopped";
  /** While running. */
  readonly pid?: number;
  /** It runs, and stands still. */
  readonly paused?: boolean;
  /** Once stopped: 0 to 255; 128 + n when signal n ended it. */
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly createdAt: Instant;
  readonly startedAt?: Instant;
  readonly finishedAt?: Instant;
  /** The reference it was made from, and the image's id. */
  readonly image: string;
  readonly imageId: Digest;
  readonly config: ContainerConfig;
  /** Process 1 in full, as it was resolved with the image: what `docker ps` shows as command. */
  readonly command: readonly string[];
  /** Mounts with volumes resolved to paths of this machine. */
  readonly mounts: readonly ResolvedMount[];
  /** The log's newest file; empty when nothing is kept. */
  readonly logPath: string;
  /** The image's and the config's HEALTHCHECK in one, with all defaults; absent when it has none. */
  readonly healthCheck?: HealthCheck;
  /** From its first start on, when it has a health check. One that has ended is unhealthy, as with Docker. */
  readonly health?: Health;
}

export interface ResolvedMount {
  readonly type: "bind" | "volume" | "tmpfs";
  /** Volumes: the name. */
  readonly name?: string;
  readonly source: string;
  /** Volumes: the part of the source that it is. */
  readonly subpath?: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface LogEntry {
  /** Nanoseconds since 1970. */
  readonly at: bigint;
  readonly stream: "stdout" | "stderr";
  /** One line with its newline, when it has one. */
  readonly line: Uint8Array;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Only the last n lines. */
  readonly tail?: number;
  /** Nanoseconds since 1970, inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
}

/** Something that happened to a container; `docker events` shows it. */
export interface ContainerEvent {
  readonly action: ContainerAction | ExecAction;
  readonly at: Instant;
  readonly container: ContainerState;
  /** With exec_create, exec_start and exec_die (which has the exit code). */
  readonly exec?: { readonly id: string; readonly args: readonly string[]; readonly exitCode?: number };
  /** What else Docker says of it: a kill's `signal`, a rename's `oldName`. */
  readonly details?: Readonly<Record<string, string>>;
}

type ContainerAction =
  | "create"
  | "start"
  | "pause"
  | "unpause"
  | "rename"
  | "update"
  | "die"
  | "oom"
  | "kill"
  | "stop"
  | "restart"
  | "destroy"
  | "archive-path"
  | "extract-to-dir"
  | "export"
  | "health_status";

export type ExecAction = "exec_create" | "exec_start" | "exec_die";

/** The containers of this node. All methods but `create` take the full id; Fault "not-found" when there is none. */
export interface Containers {
  /** All, or those with these labels ("" matches any value). */
  list(labels?: Readonly<Record<string, string>>): Promise<ContainerState[]>;
  get(id: string): Promise<ContainerState | undefined>;
  /** What it wrote into its own file system; 0 when it is gone. */
  bytesOf(id: string): Promise<number>;
  /**
   * Makes it, with its file system, volumes and process, ready to start. What was half made goes when it fails. Fault "invalid"
   * unless each of the config's files has contents. `deferred`: its process is made no sooner than at its start, when there is a
   * network namespace for it.
   */
  create(
    config: ContainerConfig,
    contents?: FileContents,
    how?: { readonly deferred?: boolean },
  ): Promise<void>;
  /** What it finds in /etc/hosts and /etc/resolv.conf from now on. */
  setNames(id: string, names: Pick<ContainerConfig, "hosts" | "dns">): Promise<void>;
  /** Fault "conflict" in Docker's words for a name that another has. */
  rename(id: string, name: string): Promise<void>;
  /** Starts process 1; its pid. */
  start(id: string): Promise<number>;
  /** Resolves when process 1 has ended, at once when it has already. Rejects with the signal's reason. */
  wait(id: string, signal: AbortSignal): Promise<{ readonly exitCode: number }>;
  /** Sends the stop signal (its own, unless one is said), and SIGKILL after the grace; resolves when it has ended. No error when it has already. */
  stop(id: string, options: { readonly graceMs: number; readonly signal?: string }): Promise<void>;
  /** Says in the events that its last end and start were one wish; nothing of one that is gone again. */
  noteRestart(id: string): void;
  /** Sends process 1 a signal, by name or number. Faults: "conflict" `container X is not running`, "invalid" for a word that is no signal. */
  kill(id: string, signal: string): Promise<void>;
  /** All its processes stand still, or go on. Faults: "conflict" in Docker's words when it does not run, or does so already. */
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** Lays these limits over its own, at once when it runs. Fault "invalid" in runc's words for what the kernel does not take. */
  update(id: string, resources: Resources): Promise<void>;
  /** Stops it by SIGKILL if need be; takes file system, log and, unless told otherwise, anonymous volumes away. No error when it is gone. */
  remove(id: string, options?: { readonly keepVolumes?: boolean }): Promise<void>;
  /** Fault "unsupported" in Docker's words for a container whose log is not kept. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogEntry>;
  /**
   * Runs a program in a running container, confined as process 1 is, with no terminal and no input. An abort kills it with all that
   * it started, waits for that, and rejects with the signal's reason. Faults: "conflict" `container X is not running`; "invalid" in
   * runc's words when it cannot run.
   */
  exec(id: string, config: ExecConfig, signal: AbortSignal): Promise<ExecResult>;
  /** What people see and type. */
  readonly streams: ContainerStreams;
  /** What is in their file systems. */
  readonly trees: ContainerTrees;
  /**
   * Resolves when the health is neither "starting" nor `known`, at once when it is so already: call it with what it said last to
   * learn of the next change. Says nothing of a container that has ended: race it with `wait`, and abort the signal then.
   * Fault "invalid" for a container without a health check; "not-found" when it is removed meanwhile.
   */
  waitHealth(id: string, signal: AbortSignal, known?: HealthStatus): Promise<"healthy" | "unhealthy">;
  /** Calls `fn` for every event from now on; returns how to stop. */
  subscribe(fn: (event: ContainerEvent) => void): () => void;
}

/** A named place on this node's disk that outlives containers. */
export interface Volume {
  readonly name: string;
  readonly driver: "local";
  readonly path: string;
  readonly createdAt: Instant;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
}

/** The volumes of this node. */
export interface Volumes {
  list(): Promise<Volume[]>;
  get(name: string): Promise<Volume | undefined>;
  /** The volume of that name, made when it is not there (an empty name: an anonymous one). Faults: "invalid" name, driver or options. */
  create(wanted: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
    readonly driver: string;
  }): Promise<Volume>;
  /**
   * Mounts what the volume's options say at its path, unless it is, and keeps it there as long as anybody holds it. Holding twice is
   * once. Faults: "not-found"; "unavailable", "unsupported" or "internal" in Docker's words for what cannot be mounted.
   */
  hold(name: string, holder: string): Promise<void>;
  /** The last one unmounts. No error for one that holds nothing. */
  release(name: string, holder: string): Promise<void>;
  /** These alone hold volumes: what else is mounted goes. After a restart. */
  restore(holders: ReadonlyMap<string, ReadonlySet<string>>): Promise<void>;
  /** What its files take, as they say it of themselves; 0 when it is not there, or something else is mounted in its place. */
  bytesOf(name: string): Promise<number>;
  /** Faults: "not-found" `get X: no such volume`; "conflict" `remove X: volume is in use - [ids]`. */
  remove(
    name: string,
    options: { readonly force: boolean; readonly usedBy: readonly string[] },
  ): Promise<void>;
}
