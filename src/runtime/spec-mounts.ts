import type { ContainerConfig, Mount, ResolvedMount } from "./container.ts";
import { type ContainerFolder, fileAt, subpathAt } from "./container-folder.ts";
import type { OciMount } from "./oci.ts";

const mount = (destination: string, type: string, source: string, options: string): OciMount => ({
  destination,
  type,
  source,
  options: options.split(","),
});

/** Docker's (moby oci/defaults.go), with its 64 MB for /dev/shm. */
const KERNEL_MOUNTS: readonly OciMount[] = [
  mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
  mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
  mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
  mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
  mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
  mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
  mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864"),
];

const SHM = "/dev/shm";
/** Read-only unless the container is privileged. */
const OPENED: ReadonlySet<string> = new Set(["/sys", "/sys/fs/cgroup"]);

const DEFAULT_PROPAGATION = "rprivate";

/** What `mountsOf` mounts. `resolved` says where the config's mounts really are, in order. */
export interface MountInput {
  readonly config: Pick<ContainerConfig, "mounts" | "files" | "shmBytes" | "machine" | "readOnly">;
  readonly resolved: readonly ResolvedMount[];
  readonly folder: ContainerFolder;
  /** Another container's, whose names it sees. */
  readonly names?: ContainerFolder | undefined;
  /** The host's file of the init that becomes process 1, when one is asked for. */
  readonly init: string | undefined;
}

/** Where the init is in a container, as with Docker. */
export const INIT_PATH = "/sbin/docker-init";

/**
 * All mounts of a container, each after the one it lies in: the kernel's, then the user's and our three files of /etc, where the
 * user has none of his own there. A user's mount takes the place of a kernel's on the same path.
 */
export function mountsOf({ config, resolved, folder, names = folder, init }: MountInput): OciMount[] {
  const asked = new Map(config.mounts.map((m) => [cleanPath(m.target), m]));
  const own = resolved.map((at, i) => {
    const source = at.subpath === undefined ? at.source : subpathAt(folder, i);
    return ociMountOf({ ...at, source }, asked.get(at.target));
  });
  const memory = (config.files ?? []).map(({ target }, i) => memoryFile(fileAt(folder.files, i), target));
  const taken = new Set([...own, ...memory].map((m) => m.destination));
  const files = [
    fileMount(names.resolvConf, "/etc/resolv.conf"),
    fileMount(names.hostname, "/etc/hostname"),
    fileMount(names.hosts, "/etc/hosts"),
    ...(init === undefined ? [] : [mount(INIT_PATH, "bind", init, "bind,ro")]),
  ].filter((m) => !taken.has(m.destination));
  const kernel = kernelMounts(config).filter(
    ({ destination }) => !(taken.has(destination) || (taken.has("/dev") && destination.startsWith("/dev/"))),
  );
  return [...kernel, ...[...own, ...memory, ...files].sort((a, b) => depthOf(a) - depthOf(b))];
}

/** A privileged container may write to the kernel's; one in the host's IPC namespace has the host's shared memory. */
function kernelMounts({ shmBytes, machine, readOnly }: MountInput["config"]): OciMount[] {
  const isOpen = machine?.isPrivileged === true && !readOnly;
  const hasHostIpc = machine?.hostNamespaces.includes("ipc") === true;
  return KERNEL_MOUNTS.map((at) => {
    const { destination, options } = at;
    if (hasHostIpc && destination === SHM) return mount(SHM, "bind", SHM, "rbind");
    if (isOpen && OPENED.has(destination)) return { ...at, options: options.filter((word) => word !== "ro") };
    if (destination !== SHM || shmBytes === undefined) return at;
    return { ...at, options: options.map((word) => (word.startsWith("size=") ? `size=${shmBytes}` : word)) };
  });
}

/** "shared" or "rslave" when a bind mount's propagation asks that of the root (moby daemon/oci_linux.go). */
export function rootPropagationOf(mounts: readonly Mount[]): string | undefined {
  const asked = mounts.map((m) => (m.type === "bind" ? (m.propagation ?? "") : ""));
  if (asked.some((p) => p.endsWith("shared"))) return "shared";
  return asked.some((p) => p.endsWith("slave")) ? "rslave" : undefined;
}

/** An absolute path without doubled, "." and ".." parts; none of them leaves the root. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function ociMountOf(at: ResolvedMount, asked: Mount | undefined): OciMount {
  if (at.type === "tmpfs") return tmpfsMount(at, asked);
  const propagation = asked?.type === "bind" ? asked.propagation || DEFAULT_PROPAGATION : DEFAULT_PROPAGATION;
  return mount(at.target, "bind", at.source, `rbind,${propagation}${at.readOnly ? ",ro" : ""}`);
}

function tmpfsMount(at: ResolvedMount, asked: Mount | undefined): OciMount {
  const { sizeBytes, mode } = asked?.type === "tmpfs" ? asked : {};
  const options = [
    "noexec,nosuid,nodev",
    DEFAULT_PROPAGATION,
    ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`]),
    ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
    ...(at.readOnly ? ["ro"] : []),
  ];
  return mount(at.target, "tmpfs", "tmpfs", options.join(","));
}

/** Of a tmpfs that is the container's own. Programs may be run from it, as with Docker: configs are entrypoints, too. */
function memoryFile(source: string, target: string): OciMount {
  return mount(cleanPath(target), "bind", source, `bind,${DEFAULT_PROPAGATION},ro,nosuid,nodev`);
}

function fileMount(source: string, destination: string): OciMount {
  return mount(destination, "bind", source, `rbind,${DEFAULT_PROPAGATION}`);
}

function depthOf({ destination }: OciMount): number {
  return destination.split("/").length;
}
