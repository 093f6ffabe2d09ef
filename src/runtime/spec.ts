import type { ContainerConfig, ResolvedMount } from "./container.ts";
import type { ContainerFolder } from "./container-folder.ts";
import type { DeviceNode } from "./device-nodes.ts";
import type { Machine } from "./machine.ts";
import type { OciLinux, OciProcess, OciSpec, OciUser } from "./oci.ts";
import { capabilitiesFor } from "./spec-capabilities.ts";
import { INIT_PATH, mountsOf, rootPropagationOf } from "./spec-mounts.ts";
import { capabilitiesOfUser, envOf, type ImageProcess } from "./spec-process.ts";
import { oomScoreOf, resourcesOf, rlimitsOf } from "./spec-resources.ts";
import { seccompOf } from "./spec-seccomp.ts";

const MASKED_PATHS: readonly string[] = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** As Docker since 20.10: ping and low ports without capabilities. */
const DEFAULT_SYSCTLS: Readonly<Record<string, string>> = {
  "net.ipv4.ping_group_range": "0 2147483647",
  "net.ipv4.ip_unprivileged_port_start": "0",
};

/** The cgroup under which all of ours are. */
export const CGROUP = "/shoal";

/** All that a container's OCI spec follows from. */
export interface SpecInput {
  readonly config: ContainerConfig;
  readonly image: ImageProcess;
  readonly command: readonly string[];
  readonly user: OciUser;
  readonly mounts: readonly ResolvedMount[];
  readonly folder: ContainerFolder;
  /** Of the container whose network it shares. */
  readonly names?: ContainerFolder | undefined;
  readonly machine: Machine;
  /** The init's file on the host, when the config asks for one. */
  readonly init: string | undefined;
  /** Of the host's. */
  readonly devices?: readonly DeviceNode[];
}

/** The OCI runtime spec of a container, with Docker's defaults (moby oci/defaults.go, daemon/oci_linux.go). */
export function specOf(input: SpecInput): OciSpec {
  const { config, init, machine } = input;
  const isPrivileged = config.machine?.isPrivileged === true;
  const added = isPrivileged ? ["ALL"] : config.capAdd;
  const capabilities = capabilitiesFor(added, isPrivileged ? [] : config.capDrop, machine.capabilities);
  return {
    ociVersion: "1.0.2",
    process: processOf(input, capabilities),
    root: { path: "rootfs", readonly: config.readOnly },
    ...(isOwn(config, "uts") && { hostname: config.hostname }),
    mounts: mountsOf({ config, resolved: input.mounts, folder: input.folder, names: input.names, init }),
    linux: linuxOf(input, capabilities),
  };
}

/** False when the host's namespace of this kind is the container's, too. */
function isOwn({ machine }: ContainerConfig, kind: "pid" | "ipc" | "uts"): boolean {
  return machine?.hostNamespaces.includes(kind) !== true;
}

/** OCI's number for no limit; ours is -1. */
const NO_LIMIT = 2n ** 64n - 1n;

/** The spec, or a process of one, as containerd takes it: JSON with OCI's word for no limit. */
export function encodeSpec(spec: OciSpec | OciProcess): Uint8Array {
  return Buffer.from(JSON.stringify(spec).replace(/"(soft|hard)":-1\b/g, `"$1":${NO_LIMIT}`));
}

/** What `encodeSpec` made. */
export function decodeSpec(bytes: Uint8Array): OciSpec {
  const text = Buffer.from(bytes).toString();
  return JSON.parse(text.replace(new RegExp(`"(soft|hard)":${NO_LIMIT}\\b`, "g"), '"$1":-1'));
}

function processOf(input: SpecInput, capabilities: readonly string[]): OciProcess {
  const { config, image, command, user, machine, init } = input;
  const oomScoreAdj = oomScoreOf(config.oomScoreAdj, machine);
  return {
    terminal: config.tty,
    user,
    args: init === undefined ? command : [INIT_PATH, "--", ...command],
    env: envOf(config, image),
    cwd: config.dir || image.dir || "/",
    capabilities: capabilitiesOfUser(user, capabilities),
    ...(config.ulimits.length > 0 && { rlimits: rlimitsOf(config.ulimits, machine) }),
    noNewPrivileges: config.privileges?.noNewPrivileges ?? false,
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
  };
}

/** None when it is the host's. */
function networkAt({ config, folder }: SpecInput): OciLinux["namespaces"] {
  const path = config.networkOf === undefined ? config.netns : folder.netns;
  if (path === undefined) return [];
  return [path === "" ? { type: "network" } : { type: "network", path }];
}

/** The host's own are not for containers to set (runc refuses them), and another container's are that one's. */
function sysctlsOf({ netns, networkOf, sysctls }: ContainerConfig): OciLinux["sysctl"] {
  return { ...(netns === undefined || networkOf !== undefined ? {} : DEFAULT_SYSCTLS), ...sysctls };
}

function linuxOf(input: SpecInput, capabilities: readonly string[]): OciLinux {
  const { config, machine, devices = [] } = input;
  const isPrivileged = config.machine?.isPrivileged === true;
  const seccomp = isPrivileged ? undefined : seccompOf(config.privileges, capabilities, machine);
  const own = (["pid", "ipc", "uts"] as const).filter((kind) => isOwn(config, kind));
  const shared = devices.map(({ rule }) => rule);
  const rootfsPropagation = rootPropagationOf(config.mounts);
  return {
    namespaces: [
      ...["mount", ...own].map((type) => ({ type })),
      ...networkAt(input),
      ...(machine.cgroupVersion === 2 ? [{ type: "cgroup" }] : []),
    ],
    cgroupsPath: `${CGROUP}/${config.id}`,
    ...(devices.length > 0 && { devices: devices.map(({ device }) => device) }),
    resources: resourcesOf(config.resources, machine, { isPrivileged, shared }),
    sysctl: sysctlsOf(config),
    maskedPaths: isPrivileged ? [] : MASKED_PATHS,
    readonlyPaths: isPrivileged ? [] : READONLY_PATHS,
    ...(rootfsPropagation !== undefined && { rootfsPropagation }),
    ...(seccomp !== undefined && { seccomp }),
  };
}
