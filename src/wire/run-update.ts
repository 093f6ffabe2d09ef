import { z } from "zod";
import type { RunChange } from "../model/index.ts";
import { goStruct, maybe, natural, readJson, text, unserved, whole } from "./json.ts";
import { restartSchema } from "./run-host-config.ts";
import { checkLimits, machineFields } from "./run-machine.ts";

/** Limits that are not changed here (moby api/types/container Resources): `docker update` sends them all, empty where nothing was said. */
const UNSERVED =
  "CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime Devices DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemorySwappiness OomKillDisable Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth";

const { CpuShares, CpusetCpus, CpusetMems, MemorySwap } = machineFields;

const schema = goStruct({
  RestartPolicy: z.unknown().optional(),
  ...{ CpuShares, CpusetCpus, CpusetMems, MemorySwap },
  ...{ Memory: natural, MemoryReservation: natural, NanoCpus: natural, PidsLimit: whole },
  ...(Object.fromEntries(
    UNSERVED.split(" ").map((name) => [
      name,
      unserved(`cannot change ${name} of a container: it is not supported yet`),
    ]),
  ) as Record<never, z.ZodType<undefined>>),
});

const said = maybe(z.looseObject({ Name: text }));

/** Reads the body of POST /containers/{id}/update: zeros and empty words change nothing. Faults as those of a new container. */
export function runChangeFromWire(body: unknown): RunChange {
  const wire = readJson(schema, body, "update");
  const { Memory, MemoryReservation, NanoCpus, PidsLimit } = wire;
  checkLimits({ ...wire, MemorySwap: Memory === 0 ? 0 : wire.MemorySwap }, Memory);
  const hasRule = (readJson(said, wire.RestartPolicy, "update")?.Name ?? "") !== "";
  return {
    ...(hasRule && { restart: readJson(restartSchema, wire.RestartPolicy, "update") }),
    limits: {
      ...(Memory > 0 && { memoryBytes: Memory }),
      ...(MemoryReservation > 0 && { memoryReservationBytes: MemoryReservation }),
      ...(wire.MemorySwap !== 0 && { memorySwapBytes: wire.MemorySwap }),
      ...(NanoCpus > 0 && { nanoCpus: NanoCpus }),
      ...(PidsLimit > 0 && { pids: PidsLimit }),
      ...(wire.CpuShares > 0 && { cpuShares: wire.CpuShares }),
      ...(wire.CpusetCpus !== "" && { cpusetCpus: wire.CpusetCpus }),
      ...(wire.CpusetMems !== "" && { cpusetMems: wire.CpusetMems }),
    },
  };
}
