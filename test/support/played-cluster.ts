import { NO_DOOR } from "../../src/agent/agent.fake.ts";
import { Agent } from "../../src/agent/index.ts";
import type { SandboxPlace, SandboxWish } from "../../src/engine/index.ts";
import type { LinuxKernel } from "../../src/kernel/linux-kernel.ts";
import { seededRandom, silentLog } from "../../src/lib/index.ts";
import { Manager } from "../../src/manager/index.ts";
import { DEFAULT_CLUSTER_SPEC, put } from "../../src/model/index.ts";
import { aCluster, aNetwork, aNode } from "../../src/model/objects.fake.ts";
import {
  Bridges,
  ContainerSandboxes,
  GatewayAddresses,
  GuestDesk,
  HostPorts,
  LocalNetworks,
  NetworkApplier,
  Overlays,
} from "../../src/network/index.ts";
import { connectFake } from "../../src/rpc/rpc.fake.ts";
import { FakeContainers } from "../../src/runtime/containers.fake.ts";
import { FakeImages } from "../../src/runtime/images.fake.ts";
import { MemoryBackend, openSeal, Store } from "../../src/store/index.ts";
import { systemClock as clock } from "../../src/sys/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "./netns.ts";
import { until } from "./until.ts";

const log = silentLog;
const GATEWAY = "172.18.0.0/16";
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });

/** A manager over a store in memory, and nodes with kernels that are real: only containers are played, and the wire between nodes. */
export class PlayedCluster {
  readonly manager: Manager;
  readonly nodes: readonly PlayedNode[];
  readonly #stop: AbortController;
  readonly #running: readonly Promise<void>[];
  readonly #unplug: () => Promise<void>;

  private constructor(manager: Manager, nodes: readonly PlayedNode[], rest: ClusterRest) {
    this.manager = manager;
    this.nodes = nodes;
    this.#stop = rest.stop;
    this.#running = rest.running;
    this.#unplug = rest.unplug;
  }

  /** Two nodes, n1 and n2, on a switch; "front" is attachable, "shut" is not, "dark" is and is encrypted. */
  static async open(): Promise<PlayedCluster> {
    const stop = new AbortController();
    const store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log });
    const running = [store.run(stop.signal)];
    await store.update([
      // No node has a heart here.
      put("cluster", unsaved(aCluster({ spec: { ...DEFAULT_CLUSTER_SPEC, heartbeatMs: 600_000 } }))),
      put("network", unsaved(aNetwork("ingress", { name: "ingress", ingress: true }))),
      ...["n1", "n2"].map((id, i) => put("node", unsaved(aNode(id, { dataPathAddress: addressOf(i + 1) })))),
    ]);
    const manager = new Manager({ store, clock, random: seededRandom(1), log });
    running.push(manager.run(stop.signal));
    await until(() => [...store.view.all("network")].every(({ state }) => state !== undefined), 60_000);
    for (const [name, subnet, more] of [
      ["front", "10.0.1.0/24", { attachable: true }],
      ["shut", "10.0.2.0/24", {}],
      ["dark", "10.0.3.0/24", { attachable: true, driverOptions: { encrypted: "" } }],
    ] as const)
      await manager.networks.create(aNetwork(name, { ...more, ipam: [{ subnet }] }).spec);
    const hosts = [await makeTestHost(), await makeTestHost()];
    const unplug = await joinHosts(hosts);
    const nodes = hosts.map((host, i) => new PlayedNode(`n${i + 1}`, addressOf(i + 1), host, manager));
    for (const node of nodes) node.start([]);
    await until(() => [...store.view.all("node")].every(({ status }) => status.state === "ready"), 60_000);
    return new PlayedCluster(manager, nodes, { stop, running, unplug });
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.close();
    this.#stop.abort(new Error("the test is over"));
    await Promise.all(this.#running);
    await this.#unplug();
    for (const { host } of this.nodes) await host.dispose();
  }
}

interface ClusterRest {
  readonly stop: AbortController;
  readonly running: readonly Promise<void>[];
  readonly unplug: () => Promise<void>;
}

const addressOf = (number: number): string => `192.168.7.${number}`;

/** One node: what its daemon is made of, as far as networks go. */
export class PlayedNode {
  readonly id: string;
  readonly host: TestHost;
  readonly #address: string;
  readonly #manager: Manager;
  readonly #kernel: LinuxKernel;
  readonly #images = new FakeImages();
  readonly #containers = new FakeContainers({ images: this.#images, clock });
  #daemon: Daemon | undefined;
  #assignments: string | undefined;
  #networks: string | undefined;

  constructor(id: string, address: string, host: TestHost, manager: Manager) {
    this.id = id;
    this.host = host;
    this.#address = address;
    this.#manager = manager;
    this.#kernel = host.kernel();
    this.#images.publish("redis:3.2", { Cmd: ["serve"] });
  }

  get sandboxes(): ContainerSandboxes {
    return this.#running.sandboxes;
  }

  get applier(): NetworkApplier {
    return this.#running.applier;
  }

  /** A daemon begins, with containers that run already. */
  start(running: Parameters<ContainerSandboxes["adopt"]>[0]): void {
    const stop = new AbortController();
    const applier = new NetworkApplier({
      ...{ kernel: this.#kernel, settings: { gatewaySubnet: GATEWAY }, plan: { tag: "sh" }, clock, log },
      waitsFor: ["engine"],
    });
    const [gateway, hostPorts] = [new GatewayAddresses(GATEWAY), new HostPorts()];
    const guests = new GuestDesk({ clock, log });
    const sandboxes = new ContainerSandboxes({
      ...{ applier, gateway, hostPorts, kernel: this.#kernel, netnsDir: this.host.folder },
      bridges: new Bridges(this.#localNetworks(), false),
      others: [new Overlays({ desk: guests, known: () => applier.facts().networks })],
      ...{ dns: { upstreams: [], search: [] }, clock },
    });
    sandboxes.adopt(running);
    const agent = this.#agent({ applier, gateway, hostPorts, guests });
    const ended = Promise.all([applier.run(stop.signal), agent.run(stop.signal).catch(() => undefined)]);
    this.#daemon = { stop, applier, sandboxes, ended };
  }

  /** The daemon ends; what it made in the kernel stays. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    daemon?.stop.abort(new Error("the daemon stops"));
    await daemon?.ended;
    this.#daemon = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#kernel.destroy();
  }

  /** `docker run`, as far as networks go: where the process would live. */
  attach(wish: SandboxWish): Promise<SandboxPlace> {
    return this.sandboxes.attach(wish, new AbortController().signal);
  }

  get #running(): Daemon {
    if (this.#daemon === undefined) throw new Error(`no daemon runs on ${this.id}`);
    return this.#daemon;
  }

  #localNetworks(): LocalNetworks {
    return new LocalNetworks({
      file: {
        load: () => this.#networks,
        save: (text) => {
          this.#networks = text;
        },
      },
      taken: () => ({ networks: [GATEWAY], elsewhere: [] }),
      ...{ clock, random: seededRandom(7) },
    });
  }

  #agent(network: Pick<ConstructorParameters<typeof Agent>[0], "network">["network"]): Agent {
    const peer = { nodeId: this.id, role: "worker", clusterId: "cluster", address: this.#address } as const;
    return new Agent({
      ...{ containers: this.#containers, images: this.#images, kernel: this.#kernel, network },
      settings: { nodeId: this.id, dataPathAddress: this.#address, dataPathPort: 4789 },
      ...{ advertiseAddress: this.#address, managers: ["m1"], netnsDir: this.host.folder },
      assignments: {
        load: () => this.#assignments,
        save: (text) => {
          this.#assignments = text;
        },
      },
      dns: { search: [], upstreams: [] },
      connect: async (_, signal) => connectFake(this.#manager.dispatcher, peer, signal),
      visits: NO_DOOR,
      heart: { follow: () => undefined },
      describe: () => aNode(this.id).description ?? never(),
      ...{ onWelcome: () => undefined, onLeave: () => undefined },
      ...{ clock, random: seededRandom(3), log },
    });
  }
}

interface Daemon {
  readonly stop: AbortController;
  readonly applier: NetworkApplier;
  readonly sandboxes: ContainerSandboxes;
  readonly ended: Promise<unknown>;
}

function never(): never {
  throw new Error("a node describes itself");
}
