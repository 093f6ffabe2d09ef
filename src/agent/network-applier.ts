import {
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
import type { ClusterFacts } from "./assignment-book.ts";

export interface NetworkApplierParts {
  readonly kernel: Kernel;
  readonly settings: NodeSettings;
  readonly plan: PlanSettings;
  /** What a sweep has put right, a sentence each. */
  readonly onRepaired?: (what: readonly string[]) => void;
  /** The facts have changed, once a turn: before the kernel works by them, and whether or not it does. */
  readonly onFacts?: (facts: NetworkFacts) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const SWEEP_MS = 15_000;
const RETRY_MS = 1_000;
/** How long an answer may be on its way to a slow reader after its server has ended, and how often that is looked at. */
export const LINGER_MS: number = 10_000;
const LINGER_LOOK_MS = 50;
const NO_FACTS: ClusterFacts = { networks: [], nodes: [], services: [], endpoints: [], attachments: [] };

interface Waiter {
  readonly taskId: string | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Keeps the kernel true to one value: whenever the facts or the node's own sandboxes change, the whole NodeNetwork is
 * planned anew and applied. Many changes that come while the kernel is busy make one more round.
 */
export class NetworkApplier {
  readonly #parts: NetworkApplierParts;
  #facts: ClusterFacts = NO_FACTS;
  #dataPathPort: number;
  #known: NetworkFacts | undefined;
  /** What is planned of the known facts. */
  #planned: NodeNetwork | undefined;
  readonly #tasks = new Map<string, TaskFact>();
  /** Tasks whose sandbox is to go, until the kernel has let go of it; and what is to be done then. */
  readonly #leaving = new Map<string, () => void>();
  #waiters: Waiter[] = [];
  /** The facts that the kernel works by, and what is to be called when it works by the newest ones. */
  #inForce: ClusterFacts | undefined;
  #onInForce: (() => void) | undefined;
  /** What the kernel would not do at the last round, of what the node's traffic passes. */
  #trouble: string | undefined;
  #dirty = false;
  #busy = false;
  /** Until the first facts nothing is applied: what an earlier daemon left in the kernel is still in use. */
  #held = true;
  #closed = false;
  /** `onFacts` is going to be called. */
  #telling = false;
  #retry: Timer | undefined;

  constructor(parts: NetworkApplierParts) {
    this.#parts = parts;
    this.#dataPathPort = parts.settings.dataPathPort;
  }

  /** The facts in force, the same value until they change. */
  facts(): NetworkFacts {
    if (this.#known === undefined) {
      this.#planned = undefined;
      const self = { ...this.#parts.settings, dataPathPort: this.#dataPathPort };
      this.#known = { self, ...this.#facts, tasks: [...this.#tasks.values()] };
    }
    return this.#known;
  }

  /** The cluster's VXLAN port, once a manager has said it. */
  setDataPathPort(port: number): void {
    if (port === this.#dataPathPort) return;
    this.#dataPathPort = port;
    this.#change();
  }

  /** New facts from a manager; the kernel follows by itself. */
  setFacts(facts: ClusterFacts): void {
    this.#facts = facts;
    this.#held = false;
    this.#change();
  }

  /** What the kernel holds now of the node's network, be it as it should be or not. */
  observe(): Promise<ObservedNetwork> {
    return this.#parts.kernel.observe(this.#plan());
  }

  /** Why the kernel does not work by what it was told, as half a sentence; undefined while it does. */
  trouble(): string | undefined {
    return this.#inForce === undefined ? "the node's network is not set up yet" : this.#trouble;
  }

  /** Calls `done` once the kernel works by the facts as they are now: at once, if it does. A later call takes its place. */
  whenInForce(done: () => void): void {
    if (this.#inForce === this.#facts) done();
    else this.#onInForce = done;
  }

  /**
   * Gives the task a sandbox; resolves when the kernel has it. Faults: "internal" when the kernel refuses it,
   * "unavailable" while no manager has told of one of its networks.
   */
  attach(task: TaskFact): Promise<void> {
    this.#leaving.delete(task.taskId);
    this.#tasks.set(task.taskId, task);
    return this.#applied(task.taskId);
  }

  /**
   * Resolves when what the task's process said last has been taken by those it said it to, so that its sandbox may go; after
   * `LINGER_MS` in any case: some of them may be gone themselves.
   */
  async delivered(taskId: string): Promise<void> {
    const { kernel, clock } = this.#parts;
    const until = clock.now() + LINGER_MS;
    while (!this.#closed && clock.now() < until && (await kernel.undelivered(netnsNameOf(taskId))) > 0)
      await sleep(clock, LINGER_LOOK_MS);
  }

  /**
   * Takes the task's sandbox away; resolves when the kernel has let go, rejects when it would not yet. `onGone` is called
   * once it has, be it later: what the sandbox used is free then, and not before.
   */
  detach(taskId: string, onGone: () => void = () => undefined): Promise<void> {
    if (!this.#tasks.delete(taskId) && !this.#leaving.has(taskId)) {
      onGone();
      return Promise.resolve();
    }
    this.#leaving.set(taskId, onGone);
    return this.#applied(taskId);
  }

  /** Sandboxes that exist before the agent starts (their containers run): no waiting. */
  adopt(tasks: readonly TaskFact[]): void {
    for (const task of tasks) this.#tasks.set(task.taskId, task);
    this.#known = undefined;
    this.#tell();
  }

  /** Resolves after the next complete application. */
  settle(): Promise<void> {
    return this.#applied(undefined);
  }

  /** Applies nothing any more; whoever waits is told. What is being applied still ends. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Fault("unavailable", "the agent stops"));
  }

  /** Repairs what others broke: when the kernel reports a change, and at an interval in any case. */
  async run(signal: AbortSignal): Promise<void> {
    const { kernel, clock, log } = this.#parts;
    kernel.watch(signal, () => this.#sweep());
    while (!signal.aborted) {
      await sleep(clock, SWEEP_MS, signal).catch(() => undefined);
      if (!signal.aborted) this.#sweep();
    }
    log.debug("network applier stopped");
  }

  #sweep(): void {
    const { log } = this.#parts;
    if (this.#busy || this.#held || this.#closed) return;
    this.#busy = true;
    this.#repaired()
      .then((repaired) => {
        if (repaired.length === 0) return;
        log.warn("network repaired", { what: repaired.slice(0, 5).join("; ") });
        this.#parts.onRepaired?.(repaired);
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

  #applied(taskId: string | undefined): Promise<void> {
    if (this.#closed) return Promise.reject(new Fault("unavailable", "the agent stops"));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ taskId, resolve, reject });
      this.#change();
    });
  }

  #change(): void {
    this.#dirty = true;
    this.#known = undefined;
    this.#tell();
    if (this.#busy || this.#held) return;
    // Several changes of one turn make one round.
    queueMicrotask(() => {
      if (!this.#busy) this.#free();
    });
  }

  #tell(): void {
    const { onFacts } = this.#parts;
    if (onFacts === undefined || this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      onFacts(this.facts());
    });
  }

  /** Starts a round if one is due and none runs. */
  #free(): void {
    this.#busy = false;
    if (!this.#dirty || this.#closed) return;
    this.#dirty = false;
    this.#busy = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    void this.#round(waiters).finally(() => this.#free());
  }

  async #round(waiters: readonly Waiter[]): Promise<void> {
    const { kernel, log } = this.#parts;
    const leaving = [...this.#leaving];
    const [told, onInForce] = [this.#facts, this.#onInForce];
    try {
      const facts = this.facts();
      const { failures } = await kernel.apply(this.#plan());
      for (const { namespace, error } of failures) log.error("network not applied", { namespace, error });
      this.#letGo(leaving, failures);
      this.#trouble = failures.find((failure) => !isOfTask(failure))?.error;
      if (this.#trouble === undefined) this.#enforced(told, onInForce);
      for (const waiter of waiters) settleWaiter(waiter, failures, facts);
      if (failures.length > 0) this.#again();
    } catch (error) {
      this.#trouble = messageOf(error);
      log.error("network not applied", { error: messageOf(error) });
      for (const waiter of waiters) waiter.reject(error);
      this.#again();
    }
  }

  /** The kernel works by the facts `told`. What was asked for since waits for newer ones, unless there are none. */
  #enforced(told: ClusterFacts, onInForce: (() => void) | undefined): void {
    this.#inForce = told;
    const isNewest = told === this.#facts;
    const done = isNewest ? this.#onInForce : onInForce;
    if (this.#onInForce === done) this.#onInForce = undefined;
    done?.();
  }

  /** Of the sandboxes that were to go before the round, those that are gone. */
  #letGo(leaving: readonly (readonly [string, () => void])[], failures: readonly ApplyFailure[]): void {
    for (const [taskId, onGone] of leaving) {
      if (this.#leaving.get(taskId) !== onGone || failureOf(taskId, failures) !== undefined) continue;
      this.#leaving.delete(taskId);
      onGone();
    }
  }

  /** One more round after a while, however many want it. */
  #again(): void {
    this.#retry?.cancel();
    if (!this.#closed) this.#retry = this.#parts.clock.after(RETRY_MS, () => this.#change());
  }
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
