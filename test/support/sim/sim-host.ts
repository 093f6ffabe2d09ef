import { NO_DOOR } from "../../../src/agent/agent.fake.ts";
import { Agent } from "../../../src/agent/index.ts";
import type { Kernel } from "../../../src/kernel/index.ts";
import { FakeKernel } from "../../../src/kernel/kernel.fake.ts";
import { type Clock, Fault, type Log, messageOf } from "../../../src/lib/index.ts";
import type { NodeDescription } from "../../../src/model/index.ts";
import { GatewayAddresses, HostPorts, NetworkApplier } from "../../../src/network/index.ts";
import { PacedHeart } from "../../../src/rpc/index.ts";
import { FakeContainers } from "../../../src/runtime/containers.fake.ts";
import { FakeImages } from "../../../src/runtime/images.fake.ts";
import type { ContainerEvent } from "../../../src/runtime/index.ts";
import type { Chance } from "./chance.ts";
import { behaviourOf, isMissing } from "./images.ts";
import { SimGuests } from "./sim-guests.ts";
import type { SimNetwork } from "./sim-network.ts";
import { across, SimProcess } from "./sim-process.ts";

export interface HostParts {
  readonly name: string;
  readonly number: number;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly network: SimNetwork;
  readonly managers: readonly string[];
  readonly log: Log;
  /** Pulls take a fixed time. */
  readonly isCalm: boolean;
  /** Its kernel really builds what it is told. */
  readonly hasKernel: boolean;
  onEvent(event: ContainerEvent): void;
  /** Something that must never happen has. */
  onBroken(what: string): void;
}

const GATEWAY = "172.18.0.0/16";
/** Milliseconds that the machine takes for a call, by method. */
const TAKES: Readonly<Record<string, number>> = { create: 60, start: 40, remove: 20, exec: 10, apply: 5 };
const PULL_MS = { least: 300, most: 1_200 } as const;
/** What a machine that lost its power says of the processes that ran. */
const LOST_POWER = 137;

/** One machine of the cluster: its containers, images, kernel and disk, and the agent that runs there. */
export class SimHost {
  readonly name: string;
  readonly containers: FakeContainers;
  readonly images: FakeImages = new FakeImages();
  /** Containers made by hand. */
  readonly guests: SimGuests;
  /** How far its clock is ahead, in milliseconds. */
  ahead = 0;
  /** How much longer pulls take than usual. */
  pullFactor = 1;
  readonly #parts: HostParts;
  #machine: SimProcess;
  #process: SimProcess;
  #kernel: Kernel;
  #saved: string | undefined;
  #agent: Agent | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  /** A manager has told it to leave. */
  #hasLeft = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.guests = new SimGuests(parts.name);
    this.#kernel = this.#newKernel();
    this.#machine = this.#newProcess();
    this.#process = this.#newProcess();
    this.#process.kill();
    const clock: Clock = {
      now: () => this.#machine.clock.now(),
      after: (ms, fn) => this.#machine.clock.after(ms, fn),
    };
    this.containers = new FakeContainers({ images: this.images, clock });
    this.containers.subscribe((event) => this.#follow(event));
  }

  get isUp(): boolean {
    return !this.#machine.isDead;
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  get agent(): Agent | undefined {
    return this.#process.isDead ? undefined : this.#agent;
  }

  get process(): SimProcess {
    return this.#process;
  }

  /** Puts an image into the registry that this host pulls from. */
  publish(image: string): void {
    if (!isMissing(image)) this.images.publish(image, behaviourOf(image).config);
  }

  /** Starts the agent, if the machine is up and none runs. */
  startAgent(): void {
    if (!this.isUp || !this.#process.isDead || this.#hasLeft) return;
    const process = this.#newProcess();
    this.#process = process;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const agent = this.#makeAgent(process, signal);
    this.#agent = agent;
    this.#ended = agent.run(signal).then(
      () => this.#agentEnded(process, signal, "by itself"),
      (error: unknown) => this.#agentEnded(process, signal, messageOf(error)),
    );
  }

  /** The agent's process dies on the spot; its containers run on. */
  killAgent(): void {
    this.#process.kill();
    this.#parts.network.died(this.#process, true);
  }

  /** The agent stops as a daemon does that is told to. */
  async stopAgent(): Promise<void> {
    if (this.#process.isDead) return;
    this.#stop.abort(new Error("the daemon stops"));
    await this.#ended;
    this.#process.kill();
    this.#parts.network.died(this.#process, true);
  }

  pauseAgent(): void {
    this.#process.pause();
    this.#parts.network.paused(this.#process);
  }

  resumeAgent(): void {
    this.#process.resume();
  }

  /** The machine loses its power: everything that ran is gone, its disk stays. */
  async crash(): Promise<void> {
    if (!this.isUp) return;
    this.#process.kill();
    this.#machine.kill();
    this.#parts.network.died(this.#process, false);
    for (const { id, status } of await this.containers.list()) {
      if (status === "running") this.containers.exit(id, LOST_POWER);
    }
    this.guests.end();
    this.#kernel = this.#newKernel();
  }

  boot(): void {
    if (this.isUp) return;
    this.#machine = this.#newProcess();
    this.startAgent();
  }

  /** In some worlds one host has a kernel that really builds what it is told. */
  #newKernel(): Kernel {
    return this.#parts.hasKernel ? new FakeKernel() : WILLING;
  }

  #newProcess(): SimProcess {
    return new SimProcess(this.#parts.clock, () => this.ahead);
  }

  #agentEnded(process: SimProcess, signal: AbortSignal, how: string): void {
    if (!process.isDead && !signal.aborted) this.#parts.onBroken(`the agent of ${this.name} ended ${how}`);
  }

  #makeAgent(process: SimProcess, signal: AbortSignal): Agent {
    const { name, number, network, managers, chance, log } = this.#parts;
    const address = `10.9.0.${number}`;
    const peer = { nodeId: name, role: "worker", clusterId: "cluster", address } as const;
    const caller = { process, peer };
    const { clock } = process;
    const takes = (method: string) => (method === "ensure" ? this.#pullMs() : (TAKES[method] ?? 0));
    const kernel = across(this.#kernel, process, this.#machine, takes);
    const settings = { gatewaySubnet: GATEWAY };
    const applier = new NetworkApplier({ kernel, settings, plan: { tag: "sh" }, clock, log });
    void applier.run(signal);
    return new Agent({
      containers: across(this.containers, process, this.#machine, takes),
      images: across(this.images, process, this.#machine, takes),
      kernel,
      settings: {
        nodeId: name,
        dataPathAddress: address,
        dataPathPort: 4789,
      },
      network: {
        applier,
        gateway: new GatewayAddresses(GATEWAY),
        hostPorts: new HostPorts(),
        guests: this.guests.newDesk({ clock, log }),
      },
      advertiseAddress: address,
      managers,
      netnsDir: "/netns",
      assignments: {
        load: () => this.#saved,
        save: (text) => {
          this.#saved = text;
        },
      },
      dns: { search: [], upstreams: [] },
      connect: (to, signal) => network.connect(caller, to, signal),
      visits: NO_DOOR,
      heart: new PacedHeart({
        ...{ clock, log, isWell: () => true },
        openLine: (to) => network.beatLine(caller, to),
      }),
      describe: () => describe(name),
      onWelcome: () => undefined,
      onLeave: () => this.#leave(),
      ...{ clock, log, random: chance.fork(`${name} ${clock.now()}`).random() },
    });
  }

  #leave(): void {
    this.#hasLeft = true;
    this.#parts.clock.after(0, () => void this.#goAway());
  }

  /** What agent/leave.ts does, at once. */
  async #goAway(): Promise<void> {
    this.killAgent();
    this.guests.end();
    for (const { id } of await this.containers.list()) await this.containers.remove(id);
    this.#saved = undefined;
  }

  #pullMs(): number {
    const { isCalm, chance } = this.#parts;
    const ms = isCalm ? PULL_MS.least : chance.between(PULL_MS.least, PULL_MS.most);
    return Math.round(ms * this.pullFactor);
  }

  /** Processes that end by themselves. */
  #follow(event: ContainerEvent): void {
    const { id, image } = event.container;
    const end = event.action === "start" ? behaviourOf(image).end?.(this.#parts.chance) : undefined;
    if (end !== undefined) this.#machine.clock.after(end.afterMs, () => this.#exit(id, end.exitCode));
    this.#parts.onEvent(event);
  }

  #exit(id: string, exitCode: number): void {
    try {
      this.containers.exit(id, exitCode);
    } catch (error) {
      // It was removed meanwhile.
      if (!Fault.is(error, "not-found")) throw error;
    }
  }
}

/** A kernel that can do all it is asked for and that nobody meddles with: its work would cost most of a world's time. */
const WILLING: Kernel = {
  apply: async () => ({ failures: [], changes: 0 }),
  sweep: async () => [],
  observe: async () => ({ namespaces: {} }),
  watch: () => undefined,
  undelivered: async () => 0,
  portsInUse: async () => new Set(),
  lackOfSctp: async () => "",
  lackOfFlowTables: async () => "",
  lackOfEncryption: async () => "",
  destroy: async () => undefined,
};

function describe(hostname: string): NodeDescription {
  return {
    hostname,
    platform: { architecture: "x86_64", os: "linux" },
    resources: { nanoCpus: 4e9, memoryBytes: 8e9, generic: [] },
    engineVersion: "0.1.0",
    engineLabels: {},
    plugins: [
      { type: "Log", name: "json-file" },
      { type: "Network", name: "overlay" },
      { type: "Volume", name: "local" },
    ],
  };
}
