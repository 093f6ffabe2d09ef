import { type Clock, Fault } from "../lib/index.ts";
import type { Backends, ManagerBackend, SwarmState, SystemInfo } from "./backends.ts";
import { FakeContainers } from "./containers.fake.ts";
import { FakeLocalNetworks } from "./local-networks.fake.ts";
import { FakeEvents, FakeImages, FakeVolumes } from "./local-objects.fake.ts";

export { aContainerInfo, anImage } from "./api-values.fake.ts";

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
