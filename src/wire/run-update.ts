import { z } from "zod";
import type { RestartRule } from "../model/index.ts";
import { goStruct, maybe, readJson, text, unserved } from "./json.ts";
import { restartSchema } from "./run-host-config.ts";

/** Limits of a container (moby api/types/container Resources): `docker update` sends them all, empty where nothing was said. */
const LIMITS =
  "CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth";

const schema = goStruct({
  RestartPolicy: z.unknown().optional(),
  ...Object.fromEntries(
    LIMITS.split(" ").map((name) => [
      name,
      unserved(`cannot change ${name} of a container: it is not supported yet`),
    ]),
  ),
});

const said = maybe(z.looseObject({ Name: text }));

/** The restart rule in the body of POST /containers/{id}/update; undefined when it says none. */
export function restartFromWire(body: unknown): RestartRule | undefined {
  const policy = readJson(schema, body, "update")["RestartPolicy"];
  if ((readJson(said, policy, "update")?.Name ?? "") === "") return undefined;
  return readJson(restartSchema, policy, "update");
}
