import { Fault } from "../lib/index.ts";
import type { ContainerConfig } from "./container.ts";
import type { Machine } from "./machine.ts";
import type { OciDeviceRule, OciProcess, OciResources } from "./oci.ts";

type Rlimits = NonNullable<OciProcess["rlimits"]>;

/** Microseconds: the kernel's own default. */
const CPU_PERIOD = 100_000;
const NANO = 1e9;
const UNLIMITED = -1;
const RAISE = "CAP_SYS_RESOURCE";

const allow = (major: number, minor: number): OciDeviceRule => ({
  allow: true,
  type: "c",
  major,
  minor,
  access: "rwm",
});

/** Docker's: nothing but the harmless ones (moby oci/defaults.go); runc adds its own standard devices. */
const DEVICE_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: "rwm" },
  allow(1, 5), // zero
  allow(1, 3), // null
  allow(1, 9), // urandom
  allow(1, 8), // random
  allow(5, 0), // tty
  allow(5, 1), // console
  { allow: false, type: "c", major: 10, minor: 229, access: "rwm" }, // fuse
];

const EVERY_DEVICE: readonly OciDeviceRule[] = [{ allow: true, access: "rwm" }];

/**
 * Limits as cgroups want them, of either version: runc translates. As with Docker, as much swap as memory. `shared`: rules for
 * devices of the host that it has beside the harmless ones.
 */
export function resourcesOf(
  limits: ContainerConfig["resources"],
  machine: Machine,
  { isPrivileged, shared }: { readonly isPrivileged: boolean; readonly shared: readonly OciDeviceRule[] } = {
    ...{ isPrivileged: false, shared: [] },
  },
): OciResources {
  const { pids } = limits;
  const [memory, cpu] = [memoryOf(limits, machine), cpuOf(limits)];
  return {
    devices: isPrivileged ? EVERY_DEVICE : [...DEVICE_RULES, ...shared],
    ...(memory !== undefined && { memory }),
    ...(cpu !== undefined && { cpu }),
    ...(pids !== undefined && { pids: { limit: pids } }),
  };
}

function cpuOf({
  nanoCpus,
  cpuShares,
  cpusetCpus,
  cpusetMems,
}: ContainerConfig["resources"]): OciResources["cpu"] {
  const cpu = {
    ...(nanoCpus !== undefined && {
      ...{ period: CPU_PERIOD, quota: Math.round((nanoCpus / NANO) * CPU_PERIOD) },
    }),
    ...(cpuShares !== undefined && { shares: cpuShares }),
    ...(cpusetCpus !== undefined && { cpus: cpusetCpus }),
    ...(cpusetMems !== undefined && { mems: cpusetMems }),
  };
  return Object.keys(cpu).length === 0 ? undefined : cpu;
}

/** runc makes a reservation memory.low of version 2, the soft limit of version 1. */
function memoryOf(
  { memoryBytes, memorySwapBytes, memoryReservationBytes }: ContainerConfig["resources"],
  machine: Machine,
): OciResources["memory"] {
  if (memoryBytes === undefined && memoryReservationBytes === undefined) return undefined;
  return {
    ...(memoryBytes !== undefined && {
      limit: memoryBytes,
      ...(machine.canLimitSwap && { swap: memorySwapBytes ?? memoryBytes * 2 }),
    }),
    ...(memoryReservationBytes !== undefined && { reservation: memoryReservationBytes }),
  };
}

/** Ulimits by their OCI names; -1 is none. A hard limit over ours is cut to it where the machine does not let us raise it. */
export function rlimitsOf(ulimits: ContainerConfig["ulimits"], machine: Machine): Rlimits {
  return ulimits.map(({ name, soft, hard }) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    const own = machine.hardLimits[type];
    if (own === undefined) throw new Fault("invalid", `invalid ulimit type: ${name}`);
    const most = own === UNLIMITED || machine.capabilities.has(RAISE) ? UNLIMITED : own;
    return { type, soft: least(soft, most), hard: least(hard, most) };
  });
}

/** A negative score needs a capability that not every machine gives; the score is then left as it is. */
export function oomScoreOf(adjustment: number | undefined, machine: Machine): number | undefined {
  if (adjustment === undefined || (adjustment < 0 && !machine.capabilities.has(RAISE))) return undefined;
  return adjustment;
}

function least(a: number, b: number): number {
  if (a === UNLIMITED || b === UNLIMITED) return Math.max(a, b);
  return Math.min(a, b);
}
