import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { Fault, type Instant } from "../lib/index.ts";
import type { ContainerUsage, LinkCounters } from "../model/index.ts";
import type { ContainerState } from "../runtime/index.ts";
import { type CgroupFile, usageOfV1, usageOfV2 } from "./cgroup-usage.ts";

const CGROUPS = "/sys/fs/cgroup";
/** Of /proc/stat, in nanoseconds (time(7): USER_HZ is 100). */
const NS_PER_TICK = 10_000_000;

/** Of version 1, by their controllers; of version 2. Those that are read, since a folder's files are not all there on every kernel. */
const V1_FILES: readonly string[] = [
  ...["cpuacct/cpuacct.usage", "cpuacct/cpuacct.usage_percpu", "cpuacct/cpuacct.stat", "cpu/cpu.stat"],
  ...["memory/memory.usage_in_bytes", "memory/memory.max_usage_in_bytes", "memory/memory.limit_in_bytes"],
  ...["memory/memory.failcnt", "memory/memory.stat"],
  ...["blkio/blkio.throttle.io_service_bytes", "blkio/blkio.throttle.io_serviced"],
  ...["pids/pids.current", "pids/pids.max"],
];
const V2_FILES: readonly string[] = [
  ...["cpu.stat", "memory.current", "memory.max", "memory.events", "memory.stat", "io.stat"],
  ...["pids.current", "pids.max"],
];

/** What a container uses now; Fault "conflict" when it does not run. */
export async function usageOf(
  { id, pid, config }: Pick<ContainerState, "id" | "pid" | "config">,
  at: Instant,
): Promise<ContainerUsage> {
  // Of a process that has ended nothing is there, and another of its number is in no cgroup of this container.
  const cgroupsNow = async (): Promise<string> => {
    const text = pid === undefined ? "" : await textOf(`/proc/${pid}/cgroup`);
    if (!text.includes(`/${id}`)) throw new Fault("conflict", `container ${id} is not running`);
    return text;
  };
  const cgroups = await cgroupsNow();
  const [cgroup, stat, links] = await Promise.all([
    readCgroup(cgroups),
    readFile("/proc/stat", "utf8"),
    config.netns === undefined ? "" : textOf(`/proc/${pid}/net/dev`),
  ]);
  await cgroupsNow();
  return {
    at,
    ...cgroup,
    machine: { ...machineCpu(stat), memoryBytes: totalmem() },
    interfaces: interfacesIn(links),
  };
}

/** By its rows "4:memory:/shoal/ID" or the one "0::/shoal/ID" (cgroups(7), "/proc files"). */
async function readCgroup(cgroups: string): Promise<ReturnType<typeof usageOfV2>> {
  const folders = foldersIn(cgroups);
  const isV1 = folders.has("memory");
  const texts = await Promise.all(
    (isV1 ? V1_FILES : V2_FILES).map(async (name) => {
      const [controller = "", file = ""] = isV1 ? name.split("/") : ["", name];
      return [name, await textOf(`${CGROUPS}/${controller}${folders.get(controller)}/${file}`)] as const;
    }),
  );
  const all = new Map(texts);
  const file: CgroupFile = (name) => all.get(name) ?? "";
  return isV1 ? usageOfV1(file) : usageOfV2(file);
}

/** By controller; version 2's is "". */
export function foldersIn(cgroups: string): ReadonlyMap<string, string> {
  return new Map(
    [...cgroups.matchAll(/^\d+:([^:]*):(.*)$/gm)].flatMap(([, names = "", folder = ""]) =>
      names.split(",").map((name) => [name, folder] as const),
    ),
  );
}

/** All that its CPUs have done, idle time too (proc_stat(5)): the first seven columns, as Docker counts (moby daemon/stats_unix.go). */
export function machineCpu(stat: string): Pick<ContainerUsage["machine"], "cpuNs" | "cpus"> {
  const [, row = ""] = /^cpu +(.*)$/m.exec(stat) ?? [];
  const ticks = row.split(" ").slice(0, 7).map(Number);
  return {
    cpuNs: ticks.reduce((sum, n) => sum + n, 0) * NS_PER_TICK,
    cpus: [...stat.matchAll(/^cpu\d+ /gm)].length,
  };
}

/** The rows of /proc/PID/net/dev (proc_pid_net(5)), loopback not among them. */
export function interfacesIn(text: string): ContainerUsage["interfaces"] {
  const rows = [...text.matchAll(/^ *([^\s:]+): *(.*)$/gm)];
  return Object.fromEntries(
    rows.flatMap(([, name = "", columns = ""]) => {
      const numbers = columns.trim().split(/\s+/).map(Number);
      if (name === "lo") return [];
      return [[name, { received: counters(numbers.slice(0, 4)), sent: counters(numbers.slice(8, 12)) }]];
    }),
  );
}

function counters([bytes = 0, packets = 0, errors = 0, dropped = 0]: readonly number[]): LinkCounters {
  return { bytes, packets, errors, dropped };
}

/** Empty when it is not there, or its process has ended while it was read. */
async function textOf(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (["ENOENT", "ESRCH", "ENODEV", "EOPNOTSUPP", "EINVAL"].includes(error.code ?? "")) return "";
    throw new Fault("internal", `cannot read ${path}: ${error.message}`);
  });
}
