import { z } from "zod";
import { Fault } from "../lib/index.ts";
import type { MachineWords } from "../model/index.ts";
import { flag, goStruct, listOf, natural, omitEmpty, text, whole } from "./json.ts";

/** A namespace's mode: its own, or one of these words. */
function modeOf<const T extends string>(flagName: string, words: readonly T[]): z.ZodType<T | "private"> {
  return text.transform((value, context) => {
    const word = value === "" || value === "private" ? "private" : words.find((known) => known === value);
    if (word !== undefined) return word;
    const message = `cannot use ${flagName} ${value}: ${["private", ...words].join(", ")} are what is served`;
    context.issues.push({ code: "custom", message, input: value, params: { unsupported: true } });
    return z.NEVER;
  });
}

interface DeviceWire {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

const device: z.ZodType<DeviceWire> = goStruct({
  ...{ PathOnHost: text, PathInContainer: text, CgroupPermissions: text },
});

type Mode = "private" | "host";

/** The fields of `HostConfig` by which one container is let into its machine, or has its part of it measured. */
export interface MachineWire {
  readonly Privileged: boolean;
  readonly PidMode: Mode;
  readonly IpcMode: Mode | "shareable";
  readonly UTSMode: Mode;
  readonly Devices: readonly DeviceWire[];
  readonly ShmSize: number;
  readonly CpuShares: number;
  readonly CpusetCpus: string;
  readonly CpusetMems: string;
  readonly MemorySwap: number;
}

export const machineFields: { readonly [K in keyof MachineWire]: z.ZodType<MachineWire[K]> } = {
  Privileged: flag,
  PidMode: modeOf("--pid", ["host"]),
  IpcMode: modeOf("--ipc", ["shareable", "host"]),
  UTSMode: modeOf("--uts", ["host"]),
  Devices: listOf(device),
  ShmSize: natural,
  CpuShares: natural,
  CpusetCpus: text,
  CpusetMems: text,
  MemorySwap: whole,
};

/** Undefined when nothing of it was said. Faults "invalid" in Docker's words. */
export function machineFromWire(wire: MachineWire, memoryBytes: number): MachineWords | undefined {
  checkLimits(wire, memoryBytes);
  const modes = { pid: wire.PidMode, ipc: wire.IpcMode, uts: wire.UTSMode } as const;
  const hostNamespaces = (["pid", "ipc", "uts"] as const).filter((kind) => modes[kind] === "host");
  const words: MachineWords = {
    ...{ isPrivileged: wire.Privileged, hostNamespaces, shmBytes: wire.ShmSize },
    devices: wire.Devices.map((at) => ({
      source: at.PathOnHost,
      target: at.PathInContainer || at.PathOnHost,
      access: accessOf(at.CgroupPermissions),
    })),
    limits: limitsFromWire(wire),
  };
  return Object.keys(machineToWire(words)).length === 0 ? undefined : words;
}

export function limitsFromWire(
  wire: Pick<MachineWire, "CpuShares" | "CpusetCpus" | "CpusetMems" | "MemorySwap">,
): MachineWords["limits"] {
  return {
    ...{ memorySwapBytes: wire.MemorySwap, cpuShares: wire.CpuShares },
    ...{ cpusetCpus: wire.CpusetCpus, cpusetMems: wire.CpusetMems },
  };
}

/** The words in Docker's JSON; what was not said is left out. */
export function machineToWire(words: MachineWords): Record<string, unknown> {
  const mode = (kind: "pid" | "ipc" | "uts") => (words.hostNamespaces.includes(kind) ? "host" : "");
  return omitEmpty({
    Privileged: words.isPrivileged,
    ...{ PidMode: mode("pid"), IpcMode: mode("ipc"), UTSMode: mode("uts") },
    Devices: words.devices.map(({ source, target, access }) => ({
      ...{ PathOnHost: source, PathInContainer: target, CgroupPermissions: access },
    })),
    ShmSize: words.shmBytes,
    CpuShares: words.limits.cpuShares,
    CpusetCpus: words.limits.cpusetCpus,
    CpusetMems: words.limits.cpusetMems,
    MemorySwap: words.limits.memorySwapBytes,
  });
}

function accessOf(permissions: string): string {
  if (/^[rwm]*$/.test(permissions)) return permissions || "rwm";
  throw new Fault("invalid", `invalid device mode: ${permissions}`);
}

/** "0-2,7". */
const CPUSET = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
const LEAST_MEMORY = 6 * 2 ** 20;

/** moby daemon/daemon_unix.go verifyPlatformContainerResources. */
export function checkLimits(
  wire: Pick<MachineWire, "CpusetCpus" | "CpusetMems" | "MemorySwap">,
  memoryBytes: number,
): void {
  const { CpusetCpus, CpusetMems, MemorySwap } = wire;
  const wrong = (what: string) => new Fault("invalid", what);
  if (memoryBytes > 0 && memoryBytes < LEAST_MEMORY) throw wrong("Minimum memory limit allowed is 6MB");
  if (MemorySwap > 0 && memoryBytes === 0)
    throw wrong("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (MemorySwap > 0 && MemorySwap < memoryBytes)
    throw wrong("Minimum memoryswap limit should be larger than memory limit, see usage");
  for (const [kind, set] of [
    ["cpus", CpusetCpus],
    ["mems", CpusetMems],
  ])
    if (set !== "" && !CPUSET.test(set ?? "")) throw wrong(`Invalid value ${set} for cpuset ${kind}`);
}
