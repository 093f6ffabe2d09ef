import { type Clock, Fault } from "../lib/index.ts";
import type {
  Backends,
  ContainerInfo,
  ImageInfo,
  ManagerBackend,
  SwarmState,
  SystemInfo,
} from "./backends.ts";
import { FakeLocalNetworks } from "./local-networks.fake.ts";
import { FakeContainers, FakeEvents, FakeImages, FakeVolumes } from "./local-objects.fake.ts";

export const INFO: SystemInfo = {
  id: "5b2d7b7e-0000-4000-8000-000000000000",
  hostname: "host-1",
  version: "0.1.0",
  kernelVersion: "6.1.0-30-amd64",
  operatingSystem: "Debian GNU/Linux 12 (bookworm)",
  osVersion: "12",
  architecture: "x86_64",
  cpus: 2,
  memoryBytes: 8_000_000_000,
  dataRoot: "/var/lib/shoal",
  labels: ["zone=a"],
  cgroupVersion: "2",
  cgroupDriver: "cgroupfs",
  containerdVersion: "1.6.20",
  runcVersion: "1.1.5",
  registryMirrors: ["http://mirror.test:5000/"],
  insecureRegistries: ["mirror.test:5000", "10.0.0.0/8"],
  warnings: ["WARNING: too cold"],
};

const OUTSIDE: SwarmState = {
  nodeId: "",
  nodeAddress: "",
  state: "inactive",
  isManager: false,
  error: "",
  managers: [],
};

/** A node in memory, outside any swarm until a test says otherwise. */
export class FakeBackends implements Backends {
  readonly containers: FakeContainers = new FakeContainers();
  readonly images: FakeImages = new FakeImages();
  readonly volumes: FakeVolumes;
  readonly events: FakeEvents = new FakeEvents();
  readonly networks: FakeLocalNetworks = new FakeLocalNetworks();
  readonly trace: Backends["trace"] = { explain: async (question) => ({ question, paths: [] }) };
  readonly system: Backends["system"];
  readonly swarm: Backends["swarm"];
  swarmState: SwarmState = OUTSIDE;
  managing: ManagerBackend | undefined;

  constructor(clock: Clock) {
    this.volumes = new FakeVolumes(clock);
    this.system = { startedAt: clock.now(), info: async () => INFO };
    const refuse = async () => {
      throw new Fault("unsupported", "this fake joins no swarm");
    };
    this.swarm = { init: refuse, join: refuse, leave: refuse, state: () => this.swarmState };
  }

  manager(): ManagerBackend {
    if (this.managing !== undefined) return this.managing;
    const advice =
      'Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
    throw new Fault("unavailable", `This node is not a swarm manager. ${advice}`);
  }
}

/** A running task's container, with what a test cares about laid over. */
export function aContainerInfo(over: Partial<ContainerInfo> & { id: string; name: string }): ContainerInfo {
  return {
    labels: {},
    status: "running",
    pid: 4711,
    createdAt: 1_700_000_000_000,
    startedAt: 1_700_000_001_000,
    image: "redis:3.2",
    imageId: `sha256:${"1".repeat(64)}`,
    command: ["redis-server", "--save", "60 1"],
    mounts: [],
    logPath: `/var/lib/shoal/containers/${over.id}/log`,
    config: {
      hostname: over.id.slice(0, 12),
      env: ["A=1"],
      tty: false,
      openStdin: false,
      readOnly: false,
      netns: "/run/shoal/netns/x",
      capAdd: [],
      capDrop: [],
      sysctls: {},
      groups: [],
      hosts: [],
      ulimits: [],
      resources: {},
      logMaxBytes: 10_000_000,
      logMaxFiles: 3,
    },
    networks: [],
    hostPorts: [],
    ...over,
  };
}

export function anImage(over: Partial<ImageInfo> = {}): ImageInfo {
  return {
    id: `sha256:${"1".repeat(64)}`,
    target: `sha256:${"2".repeat(64)}`,
    repoTags: ["redis:3.2"],
    repoDigests: [`redis@sha256:${"2".repeat(64)}`],
    createdAt: 1_690_000_000_000,
    taggedAt: 1_700_000_000_000,
    sizeBytes: 76_000_000,
    platform: { architecture: "amd64", os: "linux" },
    labels: {},
    config: { Cmd: ["redis-server"], Env: ["PATH=/bin", "A=0"], ExposedPorts: { "6379/tcp": {} } },
    layers: [`sha256:${"3".repeat(64)}`],
    layerBytes: [76_000_000],
    history: [
      { created: "2023-07-21T00:00:00Z", created_by: "COPY files", comment: "base" },
      { created: "2023-07-22T00:00:00Z", created_by: "CMD redis-server", empty_layer: true },
    ],
    ...over,
  };
}
