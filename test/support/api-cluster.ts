import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeContainers } from "../../src/api/containers.fake.ts";
import {
  ApiServer,
  type Backends,
  type InitRequest,
  type JoinRequest,
  type LogQuery,
  type ServiceLogLine,
  type SwarmBackend,
} from "../../src/api/index.ts";
import { FakeLocalNetworks } from "../../src/api/local-networks.fake.ts";
import { Fault, newId, type Random, seededRandom, silentLog } from "../../src/lib/index.ts";
import { joinTokens, Manager, planCluster } from "../../src/manager/index.ts";
import {
  type Availability,
  type GenericResource,
  type Node,
  type NodeRole,
  newMeta,
  put,
  type Task,
} from "../../src/model/index.ts";
import { applyPlan, MemoryBackend, openSeal, Store } from "../../src/store/index.ts";
import { systemClock as clock } from "../../src/sys/index.ts";

const IN_SWARM =
  'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.';
const NOT_IN_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const ON_WORKER =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

const DIGEST = `sha256:${"ab".repeat(32)}`;

/**
 * The Engine API of some daemons that share one cluster: the real API server and the real control and deciders
 * over a store in memory. Machines are played: a task given to a node runs at once, and stops at once; a job's is done at once.
 */
export class ApiCluster {
  readonly random: Random = seededRandom(7);
  readonly daemons: ApiDaemon[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), "shoal-api-"));
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  store: Store | undefined;
  manager: Manager | undefined;
  /** Nodes that `service logs` cannot reach. */
  readonly silent: Set<string> = new Set();
  readonly #decides: boolean;

  /** Without `decides` nobody leads: what users write stays as it is, and nothing runs. */
  constructor({ decides = true }: { decides?: boolean } = {}) {
    this.#decides = decides;
  }

  /** Another daemon, in no swarm yet, on a socket of its own. */
  async daemon(): Promise<ApiDaemon> {
    const daemon = new ApiDaemon(
      this,
      join(this.#dir, `${this.daemons.length + 1}.sock`),
      this.daemons.length + 1,
    );
    this.daemons.push(daemon);
    await daemon.listen();
    return daemon;
  }

  async found(request: InitRequest): Promise<Manager> {
    const parts = { backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog };
    const store = await Store.open(parts);
    this.#running.push(store.run(this.#stop.signal));
    const manager = new Manager({ store, clock, random: this.random, log: silentLog });
    await manager.cluster.create({
      spec: request.spec,
      addressPools: request.addressPools,
      subnetSize: request.subnetSize,
      dataPathPort: request.dataPathPort,
    });
    this.store = store;
    this.manager = manager;
    if (this.#decides) this.#running.push(this.#lead(store), this.#playMachines(store));
    return manager;
  }

  /** The leader's loop without its watch over heartbeats: played machines have none. */
  async #lead(store: Store): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = store.version;
      const plan = planCluster(store.view, { now: clock.now(), newId: () => newId(this.random) });
      if (plan.changes.length > 0) {
        await applyPlan(store, plan).catch(() => undefined);
        // A plan that never ends must not keep a test's own deadline from striking.
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const wake = plan.again === undefined ? undefined : Math.max(0, plan.again - clock.now());
      await store.waitForChange(seen, signal, wake).catch(() => undefined);
    }
  }

  /** Writes what agents would report, as soon as there is something to report. */
  async #playMachines(store: Store): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = store.version;
      const changed = [...store.view.all("task")].flatMap((task) => {
        const next = played(task);
        return next === undefined ? [] : [put("task", next)];
      });
      if (changed.length > 0) await store.update(changed).catch(() => undefined);
      else await store.waitForChange(seen, signal).catch(() => undefined);
    }
  }

  /** Resolves when the condition holds in the store. */
  async until(condition: (store: Store) => boolean): Promise<void> {
    const { store } = this;
    if (store === undefined) throw new Error("no swarm was founded");
    for (let seen = store.version; !condition(store); seen = store.version) {
      await store.waitForChange(seen, this.#stop.signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.daemons.map((daemon) => daemon.close()));
    this.#stop.abort(new Fault("unavailable", "the test ends"));
    await Promise.allSettled(this.#running);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** The task as its machine would report it next; undefined when there is nothing new. */
function played(task: Task): Task | undefined {
  if (task.nodeId === undefined) return undefined;
  const container = { id: task.id.padEnd(64, "0"), pid: 4242 };
  const now = clock.now();
  const { state } = task.status;
  const isJob = task.desiredState === "complete";
  if (isJob && state === "running") {
    return { ...task, status: { at: now, state: "complete", message: "finished", container } };
  }
  if ((isJob || task.desiredState === "running") && (state === "assigned" || state === "ready")) {
    return { ...task, status: { at: now, state: "running", message: "started", container } };
  }
  if (task.desiredState === "ready" && state === "assigned") {
    return { ...task, status: { at: now, state: "ready", message: "prepared" } };
  }
  const stopping = task.desiredState === "shutdown" || task.desiredState === "remove";
  if (stopping && (state === "running" || state === "ready" || state === "assigned")) {
    return { ...task, status: { at: now, state: "shutdown", message: "shutdown", container } };
  }
  return undefined;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they please
  readonly json: any;
  readonly bytes: Buffer;
}

/** One daemon's API on a unix socket. */
export class ApiDaemon {
  readonly socket: string;
  readonly address: string;
  readonly #cluster: ApiCluster;
  readonly #server: ApiServer;
  readonly #generic: readonly GenericResource[];
  node: { readonly id: string; readonly role: NodeRole } | undefined;

  /** The third machine has two GPUs, and says so in its engine's labels. */
  constructor(cluster: ApiCluster, socket: string, number: number) {
    this.#cluster = cluster;
    this.#generic = number === 3 ? [{ kind: "gpu", count: 2 }] : [];
    this.socket = socket;
    this.address = `10.99.0.${number}`;
    this.#server = new ApiServer({ backends: this.#backends(), clock, log: silentLog, version: "0.0.1" });
  }

  async listen(): Promise<void> {
    await this.#server.listen(`unix://${this.socket}`);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  /** One request to this daemon. JSON (or a Buffer as it is) goes in, and JSON comes out where the answer says it is JSON. */
  ask(method: string, path: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { socketPath: this.socket, method, path, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const bytes = Buffer.concat(chunks);
            const type = response.headers["content-type"] ?? "";
            const json = type === "application/json" ? JSON.parse(bytes.toString()) : undefined;
            resolve({ status: response.statusCode ?? 0, type, json, bytes });
          });
        },
      );
      request.on("error", reject);
      request.end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  }

  #backends(): Backends {
    const none = async (): Promise<never[]> => [];
    const absent =
      (kind: string) =>
      async (ref: string): Promise<never> => {
        throw new Fault("not-found", `No such ${kind}: ${ref}`);
      };
    const refused = async (): Promise<never> => {
      throw new Fault("unsupported", "this test's daemon has no machine");
    };
    return {
      system: { info: async () => SYSTEM, startedAt: clock.now() },
      swarm: this.#swarm(),
      manager: () => this.#manager(),
      networks: new FakeLocalNetworks(() => (this.node === undefined ? [] : [GATEWAY])),
      containers: new FakeContainers(),
      images: {
        list: none,
        inspect: absent("image"),
        pull: refused,
        load: refused,
        push: refused,
        save: refused,
        login: refused,
        tag: refused,
        remove: refused,
        distribution: async () => ({
          descriptor: { mediaType: "application/vnd.oci.image.index.v1+json", digest: DIGEST, size: 1000 },
          platforms: [{ architecture: "amd64", os: "linux" }],
        }),
      },
      volumes: {
        list: none,
        get: absent("volume"),
        bytesOf: async () => 0,
        create: refused,
        remove: refused,
      },
      events: { subscribe: () => emptyStream() },
      trace: { explain: refused },
    };
  }

  #swarm(): SwarmBackend {
    return {
      init: (request) => this.#init(request),
      join: (request) => this.#join(request),
      leave: async (force) => {
        if (this.node === undefined) throw new Fault("unavailable", "This node is not part of a swarm");
        if (this.node.role === "manager" && !force) {
          throw new Fault(
            "unavailable",
            "You are attempting to leave the swarm on a node that is a manager.",
          );
        }
        this.node = undefined;
      },
      state: () => ({
        nodeId: this.node?.id ?? "",
        nodeAddress: this.node === undefined ? "" : this.address,
        state: this.node === undefined ? "inactive" : "active",
        isManager: this.node?.role === "manager",
        error: "",
        managers: [],
      }),
    };
  }

  #manager(): ReturnType<Backends["manager"]> {
    const { manager } = this.#cluster;
    if (this.node === undefined) throw new Fault("unavailable", NOT_IN_SWARM);
    if (this.node.role === "worker" || manager === undefined) throw new Fault("unavailable", ON_WORKER);
    const { cluster, services, networks, nodes, tasks, guests, secrets, configs } = manager;
    return {
      cluster,
      services,
      networks,
      nodes,
      ...{ tasks, guests, secrets, configs },
      joinTokens: () => joinTokens(cluster.get()),
      leaderId: () => this.node?.id,
      logs: (selector, options) => playedLogs(this.#cluster, selector, options),
    };
  }

  async #init(request: InitRequest): Promise<string> {
    if (this.node !== undefined) throw new Fault("unavailable", IN_SWARM);
    await this.#cluster.found(request);
    return this.#enter("manager", request.availability);
  }

  async #join(request: JoinRequest): Promise<void> {
    const { manager } = this.#cluster;
    if (this.node !== undefined) throw new Fault("unavailable", IN_SWARM);
    const tokens = manager === undefined ? undefined : joinTokens(manager.cluster.get());
    if (request.token !== tokens?.worker) {
      throw new Fault(
        "invalid",
        "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster",
      );
    }
    await this.#enter("worker", request.availability);
  }

  async #enter(role: NodeRole, availability: Availability): Promise<string> {
    const { store, random } = this.#cluster;
    const id = newId(random);
    const node: Node = {
      ...newMeta(id, clock.now()),
      spec: { labels: {}, role, availability },
      role,
      description: {
        hostname: `host${this.address.split(".")[3]}`,
        platform: { architecture: "x86_64", os: "linux" },
        resources: { nanoCpus: 4e9, memoryBytes: 8 * 2 ** 30, generic: this.#generic },
        engineVersion: "0.0.1",
        engineLabels: this.#generic.length > 0 ? { accelerated: "yes" } : {},
        plugins: [{ type: "Network", name: "overlay" }],
      },
      status: { state: "ready", message: "", address: this.address },
      dataPathAddress: this.address,
      ...(role === "manager" && { managerAddress: `${this.address}:2377` }),
      attachments: {},
    };
    await store?.update([put("node", node)]);
    this.node = { id, role };
    return id;
  }
}

async function* emptyStream(): AsyncGenerator<never> {}

/** Two lines of every running task, one per stream. */
async function* playedLogs(
  cluster: ApiCluster,
  selector: { serviceId: string } | { taskId: string },
  options: LogQuery,
): AsyncGenerator<ServiceLogLine, string[]> {
  const tasks = cluster.manager?.tasks.list() ?? [];
  const chosen = tasks
    .filter((t) => ("taskId" in selector ? t.id === selector.taskId : t.serviceId === selector.serviceId))
    .filter((t) => t.status.state === "running")
    .sort((a, b) => a.slot - b.slot);
  const missing = new Set<string>();
  for (const { id: taskId, nodeId = "", serviceId, slot } of chosen) {
    if (cluster.silent.has(nodeId)) {
      missing.add(nodeId);
      continue;
    }
    const line = (text: string) => ({
      at: 1_700_000_000_123_456_789n,
      line: Buffer.from(`${text} of slot ${slot}\n`),
      nodeId,
      serviceId,
      taskId,
    });
    if (options.stdout) yield { ...line("out"), stream: "stdout" };
    if (options.stderr) yield { ...line("err"), stream: "stderr" };
  }
  return [...missing].map((nodeId) => `node ${nodeId} is not available`);
}

const SYSTEM = {
  id: "test",
  hostname: "test",
  version: "0.0.1",
  kernelVersion: "6.1",
  operatingSystem: "Debian",
  osVersion: "12",
  architecture: "x86_64",
  cpus: 4,
  memoryBytes: 8 * 2 ** 30,
  dataRoot: "/var/lib/shoal",
  labels: [],
  cgroupVersion: "2",
  cgroupDriver: "systemd",
  containerdVersion: "1.6.20",
  runcVersion: "1.1.5",
  registryMirrors: [],
  insecureRegistries: [],
  warnings: [],
} as const;

const GATEWAY = {
  id: "f".repeat(64),
  name: "docker_gwbridge",
  driver: "bridge",
  scope: "local",
  subnet: "172.18.0.0/16",
  gateway: "172.18.0.1",
  internal: false,
  ingress: false,
} as const;
