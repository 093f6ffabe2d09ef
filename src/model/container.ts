/** The user's words about one container. */
export interface ContainerSpec {
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Replaces the image's ENTRYPOINT. */
  readonly command: readonly string[];
  /** Replaces the image's CMD. */
  readonly args: readonly string[];
  readonly hostname: string;
  readonly env: readonly string[];
  readonly dir: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly readOnly: boolean;
  readonly init?: boolean;
  readonly stopSignal: string;
  readonly stopGraceMs?: number;
  readonly mounts: readonly Mount[];
  /** "10.0.0.1 name alias". */
  readonly hosts: readonly string[];
  readonly dns: DnsConfig;
  readonly capabilityAdd: readonly string[];
  readonly capabilityDrop: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj: number;
  /** Absent: the image's own. */
  readonly health?: HealthCheck;
  readonly privileges?: Privileges;
  /** Absent when there are none, as all that came before they were known. */
  readonly secrets?: readonly FileReference[];
  readonly configs?: readonly FileReference[];
  /** base64url JSON of the client's X-Registry-Auth, for the pull. A secret. */
  readonly registryAuth?: string;
}

/** A secret or config of the cluster as a file of the container. The id counts; the name is for people. */
export interface FileReference {
  readonly id: string;
  readonly name: string;
  readonly file: {
    /** A path; a relative one is under /run/secrets, or / for configs. */
    readonly name: string;
    readonly uid: number;
    readonly gid: number;
    /** Permission bits. */
    readonly mode: number;
  };
}

/** HEALTHCHECK. Zero and absent fields are the image's, else Docker's defaults (30 s, 30 s, 0 s, 5 s, 3). */
export interface HealthCheck {
  /** ["NONE"], ["CMD", …], ["CMD-SHELL", line]; empty: the image's. */
  readonly test: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** What the API can say of a container's confinement (no flag says it). */
export interface Privileges {
  readonly noNewPrivileges: boolean;
  /** A custom profile is base64 of its JSON. */
  readonly seccomp?: { readonly mode: "default" | "unconfined" | "custom"; readonly profile: string };
  readonly appArmor?: "default" | "disabled";
}

export interface DnsConfig {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
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

/** `source` is the volume's name; empty: an anonymous one that dies with its container. */
export interface VolumeMount extends MountBase {
  readonly type: "volume";
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

/** Limits reach the cgroup; reservations only the scheduler. 0: none. */
export interface Resources {
  readonly limits: { readonly nanoCpus: number; readonly memoryBytes: number; readonly pids: number };
  readonly reservations: {
    readonly nanoCpus: number;
    readonly memoryBytes: number;
    readonly generic: readonly GenericResource[];
  };
}

/** `gpu=2` counts; `gpu=uuid-1` is one of a set that a node names. A reservation is always a count. */
export type GenericResource =
  | { readonly kind: string; readonly count: number }
  | { readonly kind: string; readonly id: string };
