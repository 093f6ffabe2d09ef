import type { BlockIo, ContainerUsage } from "../model/index.ts";

/** What one container's cgroup says. */
export type CgroupUsage = Pick<ContainerUsage, "cpu" | "memory" | "blockIo" | "pids">;

/** A file of the container's cgroup as text; empty when the kernel has none of that name. */
export type CgroupFile = (name: string) => string;

/** Of clock ticks, in which version 1 counts: USER_HZ is 100 on all machines (time(7)). */
const NS_PER_TICK = 10_000_000;
const NS_PER_US = 1_000;
/** Version 1 says "no limit" as the largest number of whole pages. */
const NO_LIMIT = 2 ** 62;

/** Version 1: Documentation/admin-guide/cgroup-v1. Names are "controller/file". */
export function usageOfV1(file: CgroupFile): CgroupUsage {
  const ticks = rowsOf(file("cpuacct/cpuacct.stat"));
  const limited = rowsOf(file("cpu/cpu.stat"));
  const limitBytes = numberIn(file("memory/memory.limit_in_bytes"));
  return {
    cpu: {
      totalNs: numberIn(file("cpuacct/cpuacct.usage")) ?? 0,
      userNs: (ticks["user"] ?? 0) * NS_PER_TICK,
      kernelNs: (ticks["system"] ?? 0) * NS_PER_TICK,
      perCpuNs: file("cpuacct/cpuacct.usage_percpu").trim().split(/\s+/).filter(Boolean).map(Number),
      limited: {
        periods: limited["nr_periods"] ?? 0,
        reached: limited["nr_throttled"] ?? 0,
        ns: limited["throttled_time"] ?? 0,
      },
    },
    memory: {
      bytes: numberIn(file("memory/memory.usage_in_bytes")) ?? 0,
      mostBytes: numberIn(file("memory/memory.max_usage_in_bytes")) ?? 0,
      ...(limitBytes !== undefined && limitBytes < NO_LIMIT && { limitBytes }),
      refusals: numberIn(file("memory/memory.failcnt")) ?? 0,
      counters: rowsOf(file("memory/memory.stat")),
    },
    blockIo: blockIoOfV1(
      file("blkio/blkio.throttle.io_service_bytes"),
      file("blkio/blkio.throttle.io_serviced"),
    ),
    pids: pidsOf(file("pids/pids.current"), file("pids/pids.max")),
  };
}

/** Version 2: Documentation/admin-guide/cgroup-v2.rst. */
export function usageOfV2(file: CgroupFile): CgroupUsage {
  const cpu = rowsOf(file("cpu.stat"));
  const limitBytes = numberIn(file("memory.max"));
  return {
    cpu: {
      totalNs: (cpu["usage_usec"] ?? 0) * NS_PER_US,
      userNs: (cpu["user_usec"] ?? 0) * NS_PER_US,
      kernelNs: (cpu["system_usec"] ?? 0) * NS_PER_US,
      limited: {
        periods: cpu["nr_periods"] ?? 0,
        reached: cpu["nr_throttled"] ?? 0,
        ns: (cpu["throttled_usec"] ?? 0) * NS_PER_US,
      },
    },
    memory: {
      bytes: numberIn(file("memory.current")) ?? 0,
      ...(limitBytes !== undefined && { limitBytes }),
      refusals: rowsOf(file("memory.events"))["max"] ?? 0,
      counters: rowsOf(file("memory.stat")),
    },
    blockIo: blockIoOfV2(file("io.stat")),
    pids: pidsOf(file("pids.current"), file("pids.max")),
  };
}

/** "8:0 Read 4096", a row an operation; the row of a device's sum and that of all devices are not told. */
function blockIoOfV1(bytes: string, counts: string): BlockIo[] {
  const row = /^(\d+):(\d+) (Read|Write|Sync|Async|Discard) (\d+)$/gm;
  const countOf = new Map([...counts.matchAll(row)].map(([, a, b, op, n]) => [`${a}:${b} ${op}`, Number(n)]));
  return [...bytes.matchAll(row)].map(([, major, minor, op = "", n]) => ({
    ...{ major: Number(major), minor: Number(minor), op: op.toLowerCase(), bytes: Number(n) },
    count: countOf.get(`${major}:${minor} ${op}`) ?? 0,
  }));
}

/** What each operation is called in io.stat: its bytes, and how many. */
const V2_OPS = [
  ["read", "rbytes", "rios"],
  ["write", "wbytes", "wios"],
] as const;

/** "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0" */
function blockIoOfV2(text: string): BlockIo[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].flatMap(([, major, minor, words = ""]) => {
    const found = Object.fromEntries(
      [...words.matchAll(/(\w+)=(\d+)/g)].map(([, key, n]) => [key, Number(n)]),
    );
    return V2_OPS.map(([op, bytes, count]) => ({
      ...{ major: Number(major), minor: Number(minor), op },
      ...{ bytes: found[bytes] ?? 0, count: found[count] ?? 0 },
    }));
  });
}

function pidsOf(current: string, max: string): CgroupUsage["pids"] {
  const limit = numberIn(max);
  return { current: numberIn(current) ?? 0, ...(limit !== undefined && { limit }) };
}

/** Absent for "max", which is no limit, and for a file that is not there. */
function numberIn(text: string): number | undefined {
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

/** "key 12" rows. */
function rowsOf(text: string): Record<string, number> {
  return Object.fromEntries([...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, key, n]) => [key, Number(n)]));
}
