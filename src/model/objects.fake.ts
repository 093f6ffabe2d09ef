import { type Cluster, DEFAULT_CLUSTER_SPEC } from "./cluster.ts";
import type { ContainerSpec, Resources } from "./container.ts";
import type { Guest } from "./guest.ts";
import { newMeta } from "./meta.ts";
import type { Network, NetworkSpec } from "./network.ts";
import type { Node } from "./node.ts";
import type { Secret, SecretSpec } from "./secret.ts";
import { DEFAULT_RESTART, type Service, type ServiceSpec, type TaskSpec } from "./service.ts";
import { newTask, type Task } from "./task.ts";

/** Objects for tests: complete and plain, with what a test cares about laid over. */

export const T0 = 1_700_000_000_000;

export const aContainer: ContainerSpec = {
  image: "redis:3.2",
  labels: {},
  command: [],
  args: [],
  hostname: "",
  env: [],
  dir: "",
  user: "",
  groups: [],
  tty: false,
  openStdin: false,
  readOnly: false,
  stopSignal: "",
  mounts: [],
  hosts: [],
  dns: { nameservers: [], search: [], options: [] },
  capabilityAdd: [],
  capabilityDrop: [],
  sysctls: {},
  ulimits: [],
  oomScoreAdj: 0,
};

const noResources: Resources = {
  limits: { nanoCpus: 0, memoryBytes: 0, pids: 0 },
  reservations: { nanoCpus: 0, memoryBytes: 0, generic: [] },
};

export const aTaskSpec: TaskSpec = {
  container: aContainer,
  resources: noResources,
  restart: DEFAULT_RESTART,
  placement: { constraints: [], preferences: [], maxReplicas: 0, platforms: [] },
  networks: [],
  log: { name: "json-file", options: {} },
  forceUpdate: 0,
};

export function aService(
  name: string,
  spec: Partial<ServiceSpec> = {},
  rest: Partial<Service> = {},
): Service {
  return {
    ...newMeta(`svc-${name}`, T0),
    version: 1,
    specVersion: 1,
    spec: {
      name,
      labels: {},
      task: aTaskSpec,
      mode: { kind: "replicated", replicas: 1 },
      endpoint: { mode: "vip", ports: [] },
      ...spec,
    },
    ...rest,
  };
}

export function aTask(service: Service, slot: number, rest: Partial<Task> = {}): Task {
  return { ...newTask(`${service.spec.name}-${slot}`, service, slot, T0), version: 1, ...rest };
}

/** A task that runs on a node. */
export function aRunning(service: Service, slot: number, nodeId: string, rest: Partial<Task> = {}): Task {
  return aTask(service, slot, { nodeId, status: { at: T0, state: "running", message: "started" }, ...rest });
}

/** A container made by hand, on these networks with these addresses; its id is of the digit. */
export function aGuest(digit: string, nodeId: string, on: Readonly<Record<string, string>>): Guest {
  const networks = Object.keys(on).map((target) => ({ target, aliases: [] }));
  return {
    ...newMeta(digit.repeat(64), T0),
    ...{ version: 1, nodeId, spec: { name: `shell-${digit}`, networks } },
    attachments: Object.entries(on).map(([networkId, address]) => ({ networkId, address })),
  };
}

export function aNode(id: string, rest: Partial<Node> = {}): Node {
  return {
    ...newMeta(id, T0),
    version: 1,
    spec: { labels: {}, role: "worker", availability: "active" },
    role: "worker",
    description: {
      hostname: id,
      platform: { architecture: "x86_64", os: "linux" },
      resources: { nanoCpus: 4e9, memoryBytes: 8e9, generic: [] },
      engineVersion: "0",
      engineLabels: {},
      plugins: [],
    },
    status: { state: "ready", message: "", address: "10.9.0.1" },
    dataPathAddress: "10.9.0.1",
    attachments: {},
    ...rest,
  };
}

export function aNetwork(
  name: string,
  spec: Partial<NetworkSpec> = {},
  rest: Partial<Network> = {},
): Network {
  return {
    ...newMeta(`net-${name}`, T0),
    version: 1,
    spec: {
      name,
      labels: {},
      driver: "overlay",
      driverOptions: {},
      attachable: false,
      internal: false,
      ingress: false,
      ipam: [],
      ipamDriver: "default",
      ipamOptions: {},
      ...spec,
    },
    ...rest,
  };
}

/** A secret, or a config. */
export function aSecret(name: string, spec: Partial<SecretSpec> = {}, rest: Partial<Secret> = {}): Secret {
  const data = Buffer.from(`data of ${name}`).toString("base64");
  return { ...newMeta(`id-${name}`, T0), version: 1, spec: { name, labels: {}, data, ...spec }, ...rest };
}

export function aCluster(rest: Partial<Cluster> = {}): Cluster {
  return {
    ...newMeta("cluster", T0),
    version: 1,
    spec: DEFAULT_CLUSTER_SPEC,
    rootCa: { certificatePem: "", keyPem: "" },
    joinSecrets: { worker: "w", manager: "m" },
    addressPools: ["10.0.0.0/8"],
    subnetSize: 24,
    dataPathPort: 4789,
    ...rest,
  };
}

/** Ids "id-1", "id-2", … */
export function countingIds(): () => string {
  let n = 0;
  return () => `id-${++n}`;
}
