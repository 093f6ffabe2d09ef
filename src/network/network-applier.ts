import {
  type BridgeFact,
  type NetworkFacts,
  type NodeSettings,
  netnsNameOf,
  type PlanSettings,
  planNetwork,
  type TaskFact,
} from "../dataplane/index.ts";
import type { ApplyFailure, Kernel, ObservedNetwork } from "../kernel/index.ts";
import { type Clock, Fault, type Log, messageOf, sleep, type Timer } from "../lib/index.ts";
import type { NodeNetwork } from "../netstate/index.ts";
import { ClusterNetwork, type MemberSettings, NO_FACTS } from "./cluster-network.ts";
import { Tenant } from "./tenant.ts";

/** Who says something of the node's network. */
export type Speaker = "cluster" | "engine";

export interface NetworkApplierParts {
  readonly kernel: Kernel;
  readonly settings: Pick<NodeSettings, "gatewaySubnet" | "ipv6">;
  readonly plan: PlanSettings;
  /** The facts have changed, once a turn: before the kernel works by them, and whether or not it does. */
  readonly onFacts?: (facts: NetworkFacts) => void;
  /** Who has to speak before anything is applied: what an earlier daemon left in the kernel for them is still in use. */
  readonly waitsFor?: readonly Speaker[];
  readonly clock: Clock;
  readonly log: Log;
}

const SWEEP_MS = 15_000;
const RETRY_MS = 1_000;
const STOPPED = "the agent stops";
/** Of a node that is in no cluster. */
const NO_MEMBER: MemberSettings = { nodeId: "", dataPathAddress: "", dataPathPort: 0 };

interface Waiter {
  readonly tenant: Tenant;
  readonly taskId: string | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Keeps the kernel true to one value for as long as the daemon lives, in a cluster or in none: whenever the facts or the node's own
 * sandboxes change, the whole NodeNetwork is planned anew and applied. Many changes that come while the kernel is busy make one
 * more round.
 */
export class NetworkApplier {
  readonly #parts: NetworkApplierParts;
  /** Of containers made by hand. */
  readonly engine: Tenant;
  #bridges: readonly BridgeFact[] = [];
  #cluster: ClusterNetwork | undefined;
  #known: NetworkFacts | undefined;
  /** What is planned of the known facts. */
  #planned: NodeNetwork | undefined;
  #waiters: Waiter[] = [];
  /** What the kernel would not do at the last round, of what the node's traffic passes. */
  #trouble: string | undefined;
  #dirty = false;
  #busy = false;
  readonly #awaited: Set<Speaker>;
  #closed = false;
  /** `onFacts` is going to be called. */
  #telling = false;
  #retry: Timer | undefined;

  constructor(parts: NetworkApplierParts) {
    this.#parts = parts;
    this.#awaited = new Set(parts.waitsFor);
    this.engine = new Tenant(this.#door());
  }

  /** The facts in force, the same value until they change. */
  facts(): NetworkFacts {
    if (this.#known === undefined) {
      this.#planned = undefined;
      this.#known = this.#factsWith(this.#cluster);
    }
    return this.#known;
  }

  /**
   * The node enters a cluster. What an earlier membership said stays in force until this one says what its network is; where there
   * is none, nothing is applied until then.
   */
  enter(member: MemberSettings): ClusterNetwork {
    const cluster: ClusterNetwork = new ClusterNetwork(
      {
        ...this.#door(),
        takenUp: (taken) => this.#takeUp(taken),
        factsOf: (of) => (of === this.#cluster ? this.facts() : this.#factsWith(of)),
        trouble: () => this.#trouble,
      },
      member,
    );
    if (this.#cluster === undefined) {
      this.#cluster = cluster;
      this.#awaited.add("cluster");
      this.#known = undefined;
    }
    return cluster;
  }

  /** The node is in no cluster any more: what its containers made by hand use stays. Resolves when the kernel was told. */
  leave(): Promise<void> {
    this.#cluster?.close();
    this.#rejectOf((tenant) => tenant !== this.engine);
    this.#cluster = undefined;
    this.#awaited.delete("cluster");
    return this.#applied(this.engine, undefined);
  }

  /** The engine has told of all containers made by hand that run, and of the node's own networks. */
  engineIsIn(): void {
    this.#awaited.delete("engine");
    this.#change();
  }

  /** The bridge networks of this node. */
  setBridges(bridges: readonly BridgeFact[]): void {
    this.#bridges = bridges;
    this.#change();
  }

  /** What the kernel holds now of the node's network, be it as it should be or not. */
  observe(): Promise<ObservedNetwork> {
    return this.#parts.kernel.observe(this.#plan());
  }

  /** Applies nothing any more; whoever waits is told. What is being applied still ends. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.engine.close();
    this.#cluster?.close();
    this.#rejectOf(() => true);
  }

  /** Repairs what others broke: when the kernel reports a change, and at an interval in any case. */
  async run(signal: AbortSignal): Promise<void> {
    const { kernel, clock, log } = this.#parts;
    kernel.watch(signal, () => this.#sweep());
    while (!signal.aborted) {
      await sleep(clock, SWEEP_MS, signal).catch(() => undefined);
      if (!signal.aborted) this.#sweep();
    }
    this.close();
    log.debug("network applier stopped");
  }

  #door(): ConstructorParameters<typeof Tenant>[0] {
    const { kernel, clock } = this.#parts;
    return {
      ...{ kernel, clock },
      changed: () => this.#change(),
      applied: (tenant, taskId) => this.#applied(tenant, taskId),
      closed: (tenant) => this.#rejectOf((of) => of === tenant),
    };
  }

  #takeUp(cluster: ClusterNetwork): void {
    if (this.#cluster !== cluster) this.#cluster?.close();
    this.#cluster = cluster;
    this.#awaited.delete("cluster");
    this.#change();
  }

  #factsWith(cluster: ClusterNetwork | undefined): NetworkFacts {
    const { nodeId, dataPathAddress, dataPathPort } = cluster?.member ?? NO_MEMBER;
    return {
      self: { ...this.#parts.settings, nodeId, dataPathAddress, dataPathPort },
      ...(cluster?.told ?? NO_FACTS),
      tasks: [...(cluster?.tasks() ?? []), ...this.engine.tasks()],
      bridges: this.#bridges,
    };
  }

  /** Nothing is applied: somebody who has something in the kernel has not said yet what. */
  get isHeld(): boolean {
    return this.#awaited.size > 0;
  }

  #sweep(): void {
    const { log } = this.#parts;
    if (this.#busy || this.isHeld || this.#closed) return;
    this.#busy = true;
    this.#repaired()
      .then((repaired) => {
        if (repaired.length === 0) return;
        log.warn("network repaired", { what: repaired.slice(0, 5).join("; ") });
        this.#cluster?.member.onRepaired?.(repaired);
      })
      .catch((error: unknown) => log.error("network sweep failed", { error: messageOf(error) }))
      .finally(() => this.#free());
  }

  async #repaired(): Promise<string[]> {
    return this.#parts.kernel.sweep(this.#plan());
  }

  #plan(): NodeNetwork {
    const facts = this.facts();
    this.#planned ??= planNetwork(facts, this.#parts.plan);
    return this.#planned;
  }

  #applied(tenant: Tenant, taskId: string | undefined): Promise<void> {
    if (this.#closed || tenant.isClosed) return Promise.reject(new Fault("unavailable", STOPPED));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ tenant, taskId, resolve, reject });
      this.#change();
    });
  }

  #rejectOf(isOf: (tenant: Tenant) => boolean): void {
    const gone = this.#waiters.filter(({ tenant }) => isOf(tenant));
    this.#waiters = this.#waiters.filter(({ tenant }) => !isOf(tenant));
    for (const waiter of gone) waiter.reject(new Fault("unavailable", STOPPED));
  }

  #change(): void {
    this.#dirty = true;
    this.#known = undefined;
    this.#tell();
    if (this.#busy || this.isHeld) return;
    // Several changes of one turn make one round.
    queueMicrotask(() => {
      if (!this.#busy) this.#free();
    });
  }

  #tell(): void {
    const { onFacts } = this.#parts;
    if (onFacts === undefined || this.#telling || this.#closed) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      onFacts(this.facts());
    });
  }

  /** Starts a round if one is due and none runs. */
  #free(): void {
    this.#busy = false;
    if (!this.#dirty || this.#closed || this.isHeld) return;
    this.#dirty = false;
    this.#busy = true;
    // Who enters a cluster that is not in force yet waits on.
    const isIn = ({ tenant }: Waiter) => tenant === this.engine || tenant === this.#cluster;
    const waiters = this.#waiters.filter(isIn);
    this.#waiters = this.#waiters.filter((waiter) => !isIn(waiter));
    void this.#round(waiters).finally(() => this.#free());
  }

  async #round(waiters: readonly Waiter[]): Promise<void> {
    const { kernel, log } = this.#parts;
    const leaving = this.#leaving();
    const enforced = this.#cluster?.beginRound();
    try {
      const facts = this.facts();
      const { failures } = await kernel.apply(this.#plan());
      for (const { namespace, error } of failures) log.error("network not applied", { namespace, error });
      letGo(leaving, failures);
      this.#trouble = failures.find((failure) => !isOfTask(failure))?.error;
      if (this.#trouble === undefined) enforced?.();
      for (const waiter of waiters) settleWaiter(waiter, failures, facts);
      if (failures.length > 0) this.#again();
    } catch (error) {
      this.#trouble = messageOf(error);
      log.error("network not applied", { error: messageOf(error) });
      for (const waiter of waiters) waiter.reject(error);
      this.#again();
    }
  }

  /** The sandboxes that are to go. */
  #leaving(): Leaving[] {
    const tenants = [this.engine, ...(this.#cluster === undefined ? [] : [this.#cluster])];
    return tenants.flatMap((tenant) =>
      [...tenant.leaving()].map(([taskId, onGone]) => ({ tenant, taskId, onGone })),
    );
  }

  /** One more round after a while, however many want it. */
  #again(): void {
    this.#retry?.cancel();
    if (!this.#closed) this.#retry = this.#parts.clock.after(RETRY_MS, () => this.#change());
  }
}

interface Leaving {
  readonly tenant: Tenant;
  readonly taskId: string;
  onGone(): void;
}

/** Of the sandboxes that were to go before the round, those that are gone. */
function letGo(leaving: readonly Leaving[], failures: readonly ApplyFailure[]): void {
  for (const { tenant, taskId, onGone } of leaving)
    if (failureOf(taskId, failures) === undefined) tenant.letGo(taskId, onGone);
}

/** Trouble of one task's namespace, which no other task's traffic passes. */
function isOfTask({ namespace }: ApplyFailure): boolean {
  return namespace.startsWith(netnsNameOf(""));
}

function failureOf(taskId: string, failures: readonly ApplyFailure[]): string | undefined {
  return failures.find(({ namespace }) => namespace === netnsNameOf(taskId))?.error;
}

/** A task waits for its own namespace only: another one's trouble is not its own. */
function settleWaiter(waiter: Waiter, failures: readonly ApplyFailure[], facts: NetworkFacts): void {
  const { taskId } = waiter;
  if (taskId === undefined) {
    waiter.resolve();
    return;
  }
  const task = facts.tasks.find((t) => t.taskId === taskId);
  const what = `cannot ${task === undefined ? "take away" : "set up"} the network of task ${taskId}`;
  const failed = failureOf(taskId, failures);
  const missing = task && missingNetwork(task, facts);
  if (failed !== undefined) waiter.reject(new Fault("internal", `${what}: ${failed}`));
  else if (missing !== undefined) {
    waiter.reject(new Fault("unavailable", `${what}: this node has not been told of network ${missing}`));
  } else waiter.resolve();
}

/** A network of the task's that the node cannot build: the task would run without it. */
function missingNetwork(
  { addresses }: TaskFact,
  { self, nodes, networks }: NetworkFacts,
): string | undefined {
  const onNode = nodes.find(({ id }) => id === self.nodeId)?.addresses ?? {};
  const known = new Set(networks.map(({ id }) => id));
  return Object.keys(addresses).find((id) => !known.has(id) || onNode[id] === undefined);
}
