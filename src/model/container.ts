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
  /** base64url JSON of the client's X-Registry-Auth, for the pull. A secret. */
  readonly registryAuth?: string;
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
}

export interface TmpfsMount extends MountBase {
  readonly type: "tmpfs";
  readonly sizeBytes?: number;
  readonly mode?: number;
}

/** Limits reach the cgroup; reservations only the scheduler. 0: none. */
export interface Resources {
  readonly limits: { readonly nanoCpus: number; readonly memoryBytes: number; readonly pids: number };
  readonly reservations: { readonly nanoCpus: number; readonly memoryBytes: number };
}
