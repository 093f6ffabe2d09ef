import { Fault, type Log, messageOf } from "../../../src/lib/index.ts";
import type { Manager, planScope } from "../../../src/manager/index.ts";
import { type Kind, type Kinds, put } from "../../../src/model/index.ts";
import { aCluster, aNetwork, aNode } from "../../../src/model/objects.fake.ts";
import type { ContainerEvent } from "../../../src/runtime/index.ts";
import { type ObjectChange, openSeal, Store, type View } from "../../../src/store/index.ts";
import { Chance } from "./chance.ts";
import { DAWN, SimClock } from "./sim-clock.ts";
import { SimHost } from "./sim-host.ts";
import { SimManager } from "./sim-manager.ts";
import { SimNetwork } from "./sim-network.ts";
import { SimOffice } from "./sim-office.ts";
import { SharedStore, type WriteFilter } from "./sim-store.ts";

/** What a simulated world is made of. The same words and the same steps give the same history. */
export interface WorldWords {
  readonly seed: number;
  readonly nodes: number;
  readonly managers: number;
  /** Messages, store and pulls take a fixed time: for histories that people read. */
  readonly calm: boolean;
}

/** A planted fault: what stands in for a real part. */
export interface Mutant {
  readonly writes?: WriteFilter;
  readonly plan?: typeof planScope;
}

/** Whoever watches a world. */
export interface Watcher {
  /** A commit, as the truth has it now. */
  onChanges?(changes: readonly ObjectChange[]): void;
  onContainer?(host: SimHost, event: ContainerEvent): void;
  onLeader?(name: string | undefined): void;
  /** Said by the world itself: what a user or a fault does. */
  onSaid?(text: string): void;
}

/** The user's words on the way to the store: a commit that says them is his. */
export interface Wish {
  readonly kind: Kind;
  readonly id: string;
  readonly spec: unknown;
}

/** A kernel's work costs a quarter of a world's time: so many worlds share one that works. */
const KERNEL_EVERY = 4;
const NETWORKS = ["front", "back"];
/** How often the store forgets its history. */
const COMPACT_MS = 600_000;

/** A whole cluster in memory, on one clock: managers over one store, hosts with their agents, the network between them. */
export class SimCluster {
  readonly words: WorldWords;
  readonly clock: SimClock = new SimClock();
  readonly chance: Chance;
  readonly shared: SharedStore;
  readonly network: SimNetwork;
  readonly hosts: readonly SimHost[];
  readonly managers: readonly SimManager[];
  readonly office: SimOffice;
  readonly wishes: Set<Wish> = new Set();
  /** What must never happen and has, in the order in which it was seen. */
  readonly broken: string[] = [];
  /** When a clock was last set; times that managers wrote before say little. */
  clocksSetAt = 0;
  readonly #watchers: Watcher[] = [];
  #truth: Store | undefined;

  private constructor(words: WorldWords, mutant: Mutant) {
    this.words = words;
    this.chance = new Chance(words.seed);
    this.shared = new SharedStore(mutant.writes);
    const { clock, chance } = this;
    const log = this.#log();
    const names = Array.from({ length: words.managers }, (_, i) => `m${i + 1}`);
    this.network = new SimNetwork({
      clock,
      chance: chance.fork("network"),
      serverAt: (address) => this.managers.find((each) => each.name === address && each.isReady),
    });
    if (!words.calm) this.network.latency = { least: 1, spread: 4 };
    const onBroken = (what: string) => this.breaks(what);
    const storeDelay = words.calm ? { least: 2, spread: 0 } : { least: 1, spread: 4 };
    this.managers = names.map((name) => {
      const parts = { name, clock, shared: this.shared, log, storeDelay, onBroken };
      return new SimManager({
        ...parts,
        chance: chance.fork(name),
        ...(mutant.plan && { plan: mutant.plan }),
      });
    });
    this.hosts = Array.from({ length: words.nodes }, (_, i) => {
      const name = `n${i + 1}`;
      const host: SimHost = new SimHost({
        ...{ name, number: i + 1, clock, log, onBroken, managers: names },
        ...{ network: this.network, chance: chance.fork(name), isCalm: words.calm },
        hasKernel: i === 0 && (words.calm || words.seed % KERNEL_EVERY === 0),
        onEvent: (event) => this.#tell((watcher) => watcher.onContainer?.(host, event)),
      });
      return host;
    });
    this.office = new SimOffice({
      ...{ clock, managers: this.managers, chance: chance.fork("office") },
      onLeader: (name) => this.#tell((watcher) => watcher.onLeader?.(name)),
    });
  }

  /** A world in which everything has started and nothing is asked for yet. */
  static async open(
    words: WorldWords,
    mutant: Mutant,
    watchers: readonly ((world: SimCluster) => Watcher)[],
  ): Promise<SimCluster> {
    const world = new SimCluster(words, mutant);
    const truth = await Store.open({
      ...{ backend: world.shared.backend, seal: openSeal, clock: world.clock, log: world.#log() },
    });
    world.#truth = truth;
    world.#watchers.push(...watchers.map((make) => make(world)));
    truth.subscribe((changes) => world.#tell((watcher) => watcher.onChanges?.(changes)));
    void truth.run(new AbortController().signal);
    await world.#found(truth);
    for (const manager of world.managers) void manager.start();
    await world.live(100);
    const [first] = world.managers;
    if (first !== undefined) await world.office.give(first);
    for (const host of world.hosts) host.startAgent();
    world.#compact();
    return world;
  }

  /** The cluster's objects as the store has them now. */
  get view(): View {
    if (this.#truth === undefined) throw new Error("the world has not begun");
    return this.#truth.view;
  }

  /** Milliseconds since the world began. */
  get age(): number {
    return this.clock.now() - DAWN;
  }

  /** Lives for so long, or until something is broken. */
  async live(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.now() + ms, () => this.broken.length > 0);
  }

  host(name: string): SimHost {
    return required(this.hosts, name);
  }

  manager(name: string): SimManager {
    return required(this.managers, name);
  }

  /** What must never happen has. */
  breaks(what: string): void {
    if (!this.broken.includes(what)) this.broken.push(what);
  }

  say(text: string): void {
    this.#tell((watcher) => watcher.onSaid?.(text));
  }

  /**
   * A user's command, to the manager that leads (else to any). Until its outcome is known, and if that stays unknown for a while
   * after, what it asks for may come to be.
   */
  command(wish: (manager: Manager) => Wish | undefined, act: (manager: Manager) => Promise<unknown>): void {
    const host = this.office.leader ?? this.managers.find((each) => each.isReady);
    if (host === undefined) {
      this.say("no manager hears it");
      return;
    }
    host.process.run(() => {
      try {
        const wished = wish(host.manager);
        if (wished !== undefined) this.wishes.add(wished);
        act(host.manager).then(
          () => wished && this.wishes.delete(wished),
          (error: unknown) => this.#refused(wished, error),
        );
      } catch (error) {
        this.#refused(undefined, error);
      }
    });
  }

  #refused(wished: Wish | undefined, error: unknown): void {
    this.say(`refused: ${messageOf(error)}`);
    if (!(error instanceof Fault)) this.breaks(`a command failed by a defect: ${messageOf(error)}`);
    const isUnknown = Fault.is(error, "timeout") || Fault.is(error, "unavailable");
    if (wished === undefined) return;
    if (isUnknown) this.clock.after(10_000, () => this.wishes.delete(wished));
    else this.wishes.delete(wished);
  }

  async #found(truth: Store): Promise<void> {
    const stored = <K extends Kind>(kind: K, object: Kinds[K]) =>
      put<K>(kind, { ...object, version: 0, createdAt: DAWN, updatedAt: DAWN });
    const update = truth.update([
      stored("cluster", aCluster()),
      stored("network", aNetwork("ingress", { name: "ingress", ingress: true })),
      ...NETWORKS.map((name) => stored("network", aNetwork(name, { attachable: true }))),
      ...this.hosts.map(({ name }, i) => {
        const { description: _, ...bare } = aNode(name);
        const address = `10.9.0.${i + 1}`;
        const status = { state: "unknown", message: "waiting for its first session", address } as const;
        return stored("node", { ...bare, status, dataPathAddress: address });
      }),
    ]);
    await this.live(0);
    await update;
  }

  #compact(): void {
    this.clock.after(COMPACT_MS, () => {
      this.shared.backend.compact();
      this.#compact();
    });
  }

  #tell(fn: (watcher: Watcher) => void): void {
    for (const watcher of this.#watchers) fn(watcher);
  }

  /** Errors in the log are defects, but for those that injected faults bring about. */
  #log(): Log {
    const log: Log = {
      debug() {},
      info() {},
      warn() {},
      error: (message, fields) =>
        this.breaks(`logged as an error: ${message} ${JSON.stringify(fields ?? {})}`),
      with: () => log,
    };
    return log;
  }
}

function required<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}
