import type { BlockIo, ContainerInfo, ContainerUsage, InterfaceUsage, LinkCounters } from "../model/index.ts";
import { formatTime } from "./time.ts";

/** What `docker stats` reads (moby api/types/container/stats.go StatsResponse). Without a usage: the container does not run. */
export function containerStats(
  { id, name }: Pick<ContainerInfo, "id" | "name">,
  usage?: ContainerUsage,
  before?: ContainerUsage,
): object {
  const { interfaces = {} } = usage ?? {};
  const networks = Object.entries(interfaces).map(([link, counters]) => [link, networkStats(counters)]);
  return {
    name: `/${name}`,
    id,
    read: formatTime(usage?.at),
    preread: formatTime(before?.at),
    pids_stats: usage?.pids ?? {},
    blkio_stats: blockStats(usage?.blockIo),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(usage),
    precpu_stats: cpuStats(before),
    memory_stats: memoryStats(usage),
    ...(networks.length > 0 && { networks: Object.fromEntries(networks) }),
  };
}

function cpuStats(usage: ContainerUsage | undefined): object {
  const { cpu, machine } = usage ?? {};
  return {
    cpu_usage: {
      total_usage: cpu?.totalNs ?? 0,
      ...(cpu?.perCpuNs !== undefined && { percpu_usage: cpu.perCpuNs }),
      usage_in_kernelmode: cpu?.kernelNs ?? 0,
      usage_in_usermode: cpu?.userNs ?? 0,
    },
    ...(machine !== undefined && { system_cpu_usage: machine.cpuNs, online_cpus: machine.cpus }),
    throttling_data: {
      periods: cpu?.limited.periods ?? 0,
      throttled_periods: cpu?.limited.reached ?? 0,
      throttled_time: cpu?.limited.ns ?? 0,
    },
  };
}

/** One without a limit may have all of its machine's, as Docker says it. */
function memoryStats(usage: ContainerUsage | undefined): object {
  if (usage === undefined) return {};
  const { memory, machine } = usage;
  return {
    usage: memory.bytes,
    ...(memory.mostBytes !== undefined && { max_usage: memory.mostBytes }),
    stats: memory.counters,
    ...(memory.refusals > 0 && { failcnt: memory.refusals }),
    limit: Math.min(memory.limitBytes ?? machine.memoryBytes, machine.memoryBytes),
  };
}

function blockStats(all: readonly BlockIo[] | undefined): object {
  const entries = (value: (io: BlockIo) => number) =>
    all?.map((io) => ({ major: io.major, minor: io.minor, op: io.op, value: value(io) })) ?? null;
  return {
    io_service_bytes_recursive: entries(({ bytes }) => bytes),
    io_serviced_recursive: entries(({ count }) => count),
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function networkStats({ received, sent }: InterfaceUsage): object {
  return { ...linkStats("rx", received), ...linkStats("tx", sent) };
}

function linkStats(way: "rx" | "tx", { bytes, packets, errors, dropped }: LinkCounters): object {
  return {
    [`${way}_bytes`]: bytes,
    [`${way}_packets`]: packets,
    [`${way}_errors`]: errors,
    [`${way}_dropped`]: dropped,
  };
}
