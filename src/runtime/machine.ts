import { access, readFile } from "node:fs/promises";
import { release } from "node:os";
import { capabilitiesOf } from "./spec-capabilities.ts";

/** What the kernel here lets us give to containers. */
export interface Machine {
  /** Node's name of the architecture. */
  readonly arch: string;
  /** "6.1.0-9-amd64" */
  readonly kernel: string;
  readonly cgroupVersion: 1 | 2;
  /** Swap is counted, so that a limit on it works. */
  readonly canLimitSwap: boolean;
  /** What this process has: a container gets no more. */
  readonly capabilities: ReadonlySet<string>;
  /** Our own hard limits by OCI name; -1 for none. Only CAP_SYS_RESOURCE goes over them. */
  readonly hardLimits: Readonly<Record<string, number>>;
}

export const CGROUPS = "/sys/fs/cgroup";
const UNLIMITED = -1;

/** OCI's name of each row of /proc/self/limits. */
const LIMIT_ROWS: Readonly<Record<string, string>> = {
  "Max cpu time": "RLIMIT_CPU",
  "Max file size": "RLIMIT_FSIZE",
  "Max data size": "RLIMIT_DATA",
  "Max stack size": "RLIMIT_STACK",
  "Max core file size": "RLIMIT_CORE",
  "Max resident set": "RLIMIT_RSS",
  "Max processes": "RLIMIT_NPROC",
  "Max open files": "RLIMIT_NOFILE",
  "Max locked memory": "RLIMIT_MEMLOCK",
  "Max address space": "RLIMIT_AS",
  "Max file locks": "RLIMIT_LOCKS",
  "Max pending signals": "RLIMIT_SIGPENDING",
  "Max msgqueue size": "RLIMIT_MSGQUEUE",
  "Max nice priority": "RLIMIT_NICE",
  "Max realtime priority": "RLIMIT_RTPRIO",
  "Max realtime timeout": "RLIMIT_RTTIME",
};

export async function readMachine(): Promise<Machine> {
  const [status, limits, isUnified] = await Promise.all([
    readFile("/proc/self/status", "utf8"),
    readFile("/proc/self/limits", "utf8"),
    exists(`${CGROUPS}/cgroup.controllers`),
  ]);
  return {
    arch: process.arch,
    kernel: release(),
    cgroupVersion: isUnified ? 2 : 1,
    canLimitSwap: await exists(await swapLimitFile(isUnified)),
    capabilities: capabilitiesOf(/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"),
    hardLimits: parseLimits(limits),
  };
}

/** The hard column of /proc/self/limits. */
export function parseLimits(text: string): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const [, row = "", hard = ""] = /^(.*?) {2,}\S+ +(\S+)/.exec(line) ?? [];
    const name = LIMIT_ROWS[row];
    if (name !== undefined) limits[name] = hard === "unlimited" ? UNLIMITED : Number(hard);
  }
  return limits;
}

/** The root of a unified hierarchy has no limits: our own cgroup shows whether others have one. */
async function swapLimitFile(isUnified: boolean): Promise<string> {
  if (!isUnified) return `${CGROUPS}/memory/memory.memsw.limit_in_bytes`;
  const own = /^0::(.*)$/m.exec(await readFile("/proc/self/cgroup", "utf8"))?.[1] ?? "";
  return `${CGROUPS}${own}/memory.swap.max`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
