import type { Instant } from "../lib/index.ts";

/** What a container's processes have used since it started, and use now, as the kernel counts it. Times are nanoseconds, sizes bytes. */
export interface ContainerUsage {
  readonly at: Instant;
  readonly cpu: CpuUsage;
  /** What there is to use, and what all of the machine has used. */
  readonly machine: { readonly cpuNs: number; readonly cpus: number; readonly memoryBytes: number };
  readonly memory: MemoryUsage;
  readonly blockIo: readonly BlockIo[];
  /** Processes and threads; without a limit, as many as there may be. */
  readonly pids: { readonly current: number; readonly limit?: number };
  /** By the name of the interface; none for one on its host's network. */
  readonly interfaces: Readonly<Record<string, InterfaceUsage>>;
}

export interface CpuUsage {
  readonly totalNs: number;
  readonly userNs: number;
  readonly kernelNs: number;
  /** Only with cgroups of version 1. */
  readonly perCpuNs?: readonly number[];
  /** Periods of its limit, those in which it came to its end, and how long it stood still for that. */
  readonly limited: { readonly periods: number; readonly reached: number; readonly ns: number };
}

export interface MemoryUsage {
  readonly bytes: number;
  /** Only with cgroups of version 1. */
  readonly mostBytes?: number;
  readonly limitBytes?: number;
  /** How often it was refused more. */
  readonly refusals: number;
  /** The rows of the kernel's memory.stat: their names differ between the cgroups' versions. */
  readonly counters: Readonly<Record<string, number>>;
}

/** What was done to one block device. */
export interface BlockIo {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  /** How many such operations, and how much they moved. */
  readonly count: number;
  readonly bytes: number;
}

export interface InterfaceUsage {
  readonly received: LinkCounters;
  readonly sent: LinkCounters;
}

export interface LinkCounters {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}
