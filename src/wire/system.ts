import type { Instant } from "../lib/index.ts";
import type { SwarmState, SystemInfo } from "../model/index.ts";
import { formatTime } from "./time.ts";

/** What the API itself is, for `docker version`. */
export interface ApiFacts {
  readonly apiVersion: string;
  readonly minApiVersion: string;
}

/** The answer to GET /version (moby api/types/system Version). */
export function versionToWire(
  info: SystemInfo,
  { apiVersion, minApiVersion }: ApiFacts,
): Record<string, unknown> {
  const arch = goArch(info.architecture);
  const shared = {
    KernelVersion: info.kernelVersion,
    Os: "linux",
    Arch: arch,
    GitCommit: "",
    GoVersion: "",
    BuildTime: "",
  };
  const engine = { ...shared, ApiVersion: apiVersion, MinAPIVersion: minApiVersion, Experimental: "false" };
  return {
    Platform: { Name: `Shoal ${info.version}` },
    Components: [
      { Name: "Engine", Version: info.version, Details: engine },
      { Name: "containerd", Version: info.containerdVersion, Details: {} },
      { Name: "runc", Version: info.runcVersion, Details: {} },
    ],
    Version: info.version,
    ApiVersion: apiVersion,
    MinAPIVersion: minApiVersion,
    ...shared,
  };
}

const GO_ARCHES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "arm",
  i686: "386",
};

/** uname's word as Go's: "x86_64" is "amd64". */
export function goArch(machine: string): string {
  return GO_ARCHES[machine] ?? machine;
}

/** What GET /info shows besides the machine's facts. */
export interface InfoParts {
  readonly info: SystemInfo;
  readonly now: Instant;
  readonly running: number;
  readonly stopped: number;
  readonly images: number;
  /** The Swarm section, from `swarmInfoToWire`. */
  readonly swarm: Record<string, unknown>;
}

/** The answer to GET /info (moby api/types/system Info). */
export function infoToWire({
  info,
  now,
  running,
  stopped,
  images,
  swarm,
}: InfoParts): Record<string, unknown> {
  return {
    ID: info.id,
    Containers: running + stopped,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: stopped,
    Images: images,
    Driver: "overlayfs",
    DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    ...CAPABILITIES,
    SystemTime: formatTime(now),
    CgroupDriver: info.cgroupDriver,
    CgroupVersion: info.cgroupVersion,
    KernelVersion: info.kernelVersion,
    OperatingSystem: info.operatingSystem,
    OSVersion: info.osVersion,
    OSType: "linux",
    Architecture: info.architecture,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryConfig(info),
    NCPU: info.cpus,
    MemTotal: info.memoryBytes,
    GenericResources: null,
    DockerRootDir: info.dataRoot,
    HttpProxy: "",
    HttpsProxy: "",
    NoProxy: "",
    Name: info.hostname,
    Labels: info.labels,
    ServerVersion: info.version,
    Swarm: swarm,
    ContainerdCommit: commit(info.containerdVersion),
    RuncCommit: commit(info.runcVersion),
    InitCommit: commit(""),
    Warnings: info.warnings.length > 0 ? info.warnings : null,
  };
}

/** CLIs before 27 compare the two. */
function commit(version: string): Record<string, string> {
  return { ID: version, Expected: version };
}

/** What is the same on every machine that runs Shoal. */
const CAPABILITIES = {
  Plugins: { Volume: ["local"], Network: ["bridge", "overlay"], Authorization: null, Log: ["json-file"] },
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  IPv4Forwarding: true,
  // Old CLIs warn without these. Shoal's networks are routed and need no netfilter on bridges.
  BridgeNfIptables: true,
  BridgeNfIp6tables: true,
  OomKillDisable: false,
  Debug: false,
  LoggingDriver: "json-file",
  ExperimentalBuild: false,
  Runtimes: { "io.containerd.runc.v2": { path: "runc" } },
  DefaultRuntime: "io.containerd.runc.v2",
  // Containers outlive the daemon: they belong to containerd's shims.
  LiveRestoreEnabled: true,
  Isolation: "",
  InitBinary: "",
  SecurityOptions: ["name=seccomp,profile=builtin"],
} as const;

function registryConfig({ registryMirrors, insecureRegistries }: SystemInfo): Record<string, unknown> {
  const isCidr = (entry: string) => /^[0-9.]+\/\d+$/.test(entry);
  const index = (name: string, official: boolean) => ({
    Name: name,
    Mirrors: official ? registryMirrors : [],
    Secure: !insecureRegistries.includes(name),
    Official: official,
  });
  const named = insecureRegistries.filter((entry) => !isCidr(entry));
  return {
    IndexConfigs: Object.fromEntries([
      ["docker.io", index("docker.io", true)],
      ...named.filter((name) => name !== "docker.io").map((name) => [name, index(name, false)] as const),
    ]),
    InsecureRegistryCIDRs: [...insecureRegistries.filter(isCidr), "127.0.0.0/8"],
    Mirrors: registryMirrors,
  };
}

/** What only a manager can tell of its swarm. */
export interface SwarmFacts {
  readonly nodes: number;
  readonly managers: number;
  /** The cluster as GET /info shows it. */
  readonly cluster: Record<string, unknown>;
}

/** The Swarm section of GET /info (moby api/types/swarm Info). */
export function swarmInfoToWire(state: SwarmState, facts: SwarmFacts | undefined): Record<string, unknown> {
  const remotes = state.managers.map(({ nodeId, address }) => ({ NodeID: nodeId, Addr: address }));
  return {
    NodeID: state.nodeId,
    NodeAddr: state.nodeAddress,
    LocalNodeState: state.state,
    ControlAvailable: state.isManager,
    Error: state.error,
    RemoteManagers: remotes.length === 0 ? null : remotes,
    ...(facts && { Nodes: facts.nodes, Managers: facts.managers, Cluster: facts.cluster }),
    ...(facts?.managers === 2 && { Warnings: [TWO_MANAGERS] }),
  };
}

/** Docker's words (daemon/cluster/swarm.go). */
const TWO_MANAGERS =
  "WARNING: Running Swarm in a two-manager configuration. This configuration provides\n" +
  "         no fault tolerance, and poses a high risk to lose control over the cluster.\n" +
  "         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n" +
  "         Swarm for fault-tolerance.";

/** The Swarm header of /_ping. */
export function swarmHeader({ state, isManager }: SwarmState): string {
  return state === "active" ? `active/${isManager ? "manager" : "worker"}` : state;
}
