import { z } from "zod";
import { Fault } from "../lib/index.ts";
import type { ContainerSpec, RestartRule, RunSpec } from "../model/index.ts";
import { bindFromWire, tmpfsFromWire } from "./bind.ts";
import { dict, flag, goStruct, listOf, maybe, natural, oneOf, text, texts, unserved, whole } from "./json.ts";
import { logDriverSchema } from "./log-driver.ts";
import { mountsSchema } from "./mount.ts";
import { machineFields, machineFromWire } from "./run-machine.ts";
import { portsFromWire } from "./run-ports.ts";
import { privilegesFromOptions } from "./security-options.ts";

const refused = (flagName: string, why = "it is not supported yet") =>
  unserved(`cannot use ${flagName}: ${why}`);

export const restartSchema: z.ZodType<RestartRule> = maybe(
  goStruct({
    Name: oneOf(
      (word) => `invalid restart policy: unknown policy '${word}'`,
      ["no", "always", "on-failure", "unless-stopped"],
      "no",
    ),
    MaximumRetryCount: natural,
  }),
).transform((wire): RestartRule => ({ name: wire?.Name ?? "no", most: wire?.MaximumRetryCount ?? 0 }));

/** -1, or nothing: the kernel's own. */
const swappiness = whole.refine((value) => value <= 0, {
  error: "cannot use --memory-swappiness: it is not supported yet",
  params: { unsupported: true },
});

/** A service says Name and Options for the same. */
const log = z.pipe(
  maybe(goStruct({ Type: text, Config: dict })).transform(
    (wire): unknown => wire && { Name: wire.Type, Options: wire.Config },
  ),
  logDriverSchema,
);

const WINDOWS = "it is for Windows, and nodes run Linux";
const binding = goStruct({ HostIp: text, HostPort: text });

const schema = goStruct({
  ...machineFields,
  Binds: texts,
  ContainerIDFile: text,
  LogConfig: log,
  NetworkMode: text,
  PortBindings: maybe(z.record(z.string(), z.array(binding).nullable())),
  RestartPolicy: restartSchema,
  AutoRemove: flag,
  VolumeDriver: refused("--volume-driver"),
  VolumesFrom: refused("--volumes-from"),
  ConsoleSize: z.unknown().optional(),
  Annotations: refused("--annotation"),
  CapAdd: texts,
  CapDrop: texts,
  CgroupnsMode: oneOf("cgroup namespace mode", ["private", "host"], "private"),
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  Cgroup: refused("HostConfig.Cgroup"),
  Links: refused("--link", "networks give names"),
  OomScoreAdj: whole,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: texts,
  StorageOpt: refused("--storage-opt"),
  Tmpfs: dict,
  UsernsMode: refused("--userns"),
  Sysctls: dict,
  Runtime: oneOf(
    (word) => `unknown or invalid runtime name: ${word}`,
    ["runc", "io.containerd.runc.v2"],
    "runc",
  ),
  Isolation: oneOf((word) => `invalid isolation '${word}' on linux`, ["default"], "default"),
  Memory: natural,
  NanoCpus: natural,
  CgroupParent: refused("--cgroup-parent"),
  BlkioWeight: refused("--blkio-weight"),
  BlkioWeightDevice: refused("--blkio-weight-device"),
  BlkioDeviceReadBps: refused("--device-read-bps"),
  BlkioDeviceWriteBps: refused("--device-write-bps"),
  BlkioDeviceReadIOps: refused("--device-read-iops"),
  BlkioDeviceWriteIOps: refused("--device-write-iops"),
  CpuPeriod: refused("--cpu-period", "use --cpus"),
  CpuQuota: refused("--cpu-quota", "use --cpus"),
  CpuRealtimePeriod: refused("--cpu-rt-period"),
  CpuRealtimeRuntime: refused("--cpu-rt-runtime"),
  DeviceCgroupRules: refused("--device-cgroup-rule"),
  DeviceRequests: refused("--gpus"),
  KernelMemory: refused("--kernel-memory"),
  KernelMemoryTCP: refused("HostConfig.KernelMemoryTCP"),
  MemoryReservation: natural,
  MemorySwappiness: swappiness,
  OomKillDisable: refused("--oom-kill-disable"),
  PidsLimit: whole,
  Ulimits: listOf(goStruct({ Name: text, Soft: whole, Hard: whole })),
  CpuCount: refused("--cpu-count", WINDOWS),
  CpuPercent: refused("--cpu-percent", WINDOWS),
  IOMaximumIOps: refused("--io-maxiops", WINDOWS),
  IOMaximumBandwidth: refused("--io-maxbandwidth", WINDOWS),
  Mounts: mountsSchema,
  MaskedPaths: z.unknown().optional(),
  ReadonlyPaths: z.unknown().optional(),
  Init: maybe(z.boolean()),
});

/** `HostConfig` in our words. */
export interface HostWords
  extends Pick<
      RunSpec,
      "log" | "machine" | "networkMode" | "ports" | "publishAll" | "restart" | "autoRemove" | "resources"
    >,
    Pick<
      ContainerSpec,
      | "capabilityAdd"
      | "capabilityDrop"
      | "dns"
      | "groups"
      | "hosts"
      | "init"
      | "mounts"
      | "oomScoreAdj"
      | "privileges"
      | "readOnly"
      | "sysctls"
      | "ulimits"
    > {}

/** `HostConfig` of POST /containers/create: every field of Docker's, served or refused with its flag's name. */
export const hostConfigSchema: z.ZodType<HostWords> = schema.transform((wire): HostWords => {
  const privileges = privilegesFromOptions(wire.SecurityOpt);
  const machine = machineFromWire(wire, wire.Memory);
  const limits = {
    nanoCpus: wire.NanoCpus,
    memoryBytes: wire.Memory,
    pids: Math.max(0, wire.PidsLimit),
  };
  return {
    log: wire.LogConfig,
    ...(machine !== undefined && { machine }),
    networkMode: wire.NetworkMode === "" ? "default" : wire.NetworkMode,
    ports: portsFromWire(wire.PortBindings ?? {}),
    publishAll: wire.PublishAllPorts,
    restart: wire.RestartPolicy,
    autoRemove: wire.AutoRemove,
    resources: {
      limits,
      reservations: { nanoCpus: 0, memoryBytes: wire.MemoryReservation, generic: [] },
    },
    capabilityAdd: wire.CapAdd,
    capabilityDrop: wire.CapDrop,
    dns: { nameservers: wire.Dns, search: wire.DnsSearch, options: wire.DnsOptions },
    groups: wire.GroupAdd,
    hosts: wire.ExtraHosts.map(hostLine),
    ...(wire.Init !== undefined && { init: wire.Init }),
    mounts: [
      ...wire.Binds.map(bindFromWire),
      ...wire.Mounts,
      ...Object.entries(wire.Tmpfs).map(([at, options]) => tmpfsFromWire(at, options)),
    ],
    oomScoreAdj: wire.OomScoreAdj,
    ...(privileges !== undefined && { privileges }),
    readOnly: wire.ReadonlyRootfs,
    sysctls: wire.Sysctls,
    ulimits: wire.Ulimits.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
  };
});

/** "name:address" of --add-host, as a line of the container's words has it: "address name". */
function hostLine(line: string): string {
  const [, name = "", address = ""] = /^([^:=]+)[:=](.*)$/.exec(line) ?? [];
  if (name === "") throw new Fault("invalid", `bad format for add-host: "${line}"`);
  return `${address.replace(/^\[(.*)\]$/, "$1")} ${name}`;
}
