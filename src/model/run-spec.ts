import type { ContainerSpec, Resources } from "./container.ts";
import type { LogDriver, Protocol } from "./service.ts";

/** What a user asks of one container that is made by hand (`docker run`), on one node. */
export interface RunSpec {
  readonly container: ContainerSpec;
  readonly domainname: string;
  /** Absent: it is shut off from its machine as every container. */
  readonly machine?: MachineWords;
  readonly resources: Resources;
  readonly log: LogDriver;
  /** As it was said: "default", "bridge", "host", "none", "container:NAME", or a network's name. */
  readonly networkMode: string;
  /** Empty for `host`, `none` and another container's. */
  readonly networks: readonly RunNetwork[];
  readonly ports: readonly RunPort[];
  /** Every port that it or its image exposes gets one of the host's. */
  readonly publishAll: boolean;
  /** "80/tcp", beside what the image exposes. */
  readonly exposed: readonly string[];
  readonly restart: RestartRule;
  /** It goes when it ends. */
  readonly autoRemove: boolean;
  /** Its input ends with the first client that was attached to it. */
  readonly stdinOnce: boolean;
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
}

/** How far one container is let into its machine, and what it gets of it beside what a service can say. */
export interface MachineWords {
  /** All capabilities and devices, no filter of system calls, nothing hidden. */
  readonly isPrivileged: boolean;
  /** Those that are the host's and not its own. */
  readonly hostNamespaces: readonly ("pid" | "ipc" | "uts")[];
  /** Devices of the host, or folders of them; `access` is of "rwm". */
  readonly devices: readonly {
    readonly source: string;
    readonly target: string;
    readonly access: string;
  }[];
  /** Of /dev/shm; 0: 64 MB. */
  readonly shmBytes: number;
  /** 0 and empty: none. */
  readonly limits: {
    /** Memory and swap together; -1: no limit. */
    readonly memorySwapBytes: number;
    readonly cpuShares: number;
    /** "0-2,7". */
    readonly cpusetCpus: string;
    readonly cpusetMems: string;
  };
}

/** What `docker update` changes of a container that is there. */
export interface RunChange {
  readonly restart?: RestartRule;
  readonly limits: {
    readonly memoryBytes?: number;
    readonly memoryReservationBytes?: number;
    readonly memorySwapBytes?: number;
    readonly nanoCpus?: number;
    readonly pids?: number;
    readonly cpuShares?: number;
    readonly cpusetCpus?: string;
    readonly cpusetMems?: string;
  };
}

/** A network that the container is to be on, by name, id, or the beginning of one. */
export interface RunNetwork {
  readonly ref: string;
  readonly aliases: readonly string[];
  /** The address that it wants there. */
  readonly address?: string;
  readonly address6?: string;
}

/** A port of the host that leads to it; `published` 0: any free one. */
export interface RunPort {
  readonly protocol: Protocol;
  readonly target: number;
  readonly published: number;
  /** Any free one from `published` to this one. */
  readonly publishedLast?: number;
  /** The host's address that it is bound to; absent: all of them. */
  readonly hostAddress?: string;
}

/** Docker's restart policy. */
export interface RestartRule {
  readonly name: "no" | "always" | "on-failure" | "unless-stopped";
  /** Of on-failure: how often at most; 0: without end. */
  readonly most: number;
}
