import {
  type NetworkFacts,
  type NodeSettings,
  type PlanSettings,
  planNetwork,
  type TaskFact,
} from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import type { ClusterFacts } from "./assignment-book.ts";

export interface NetworkApplierParts {
  readonly kernel: Kernel;
  readonly settings: NodeSettings;
  readonly plan: PlanSettings;
  readonly clock: Clock;
  readonly log: Log;
}

const SWEEP_MS = 15_000;
const RETRY_MS = 1_000;
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
  readonly #tasks = new Map<string, TaskFact>();
  #waiters: Waiter[] = [];
  #dirty = false;
  #busy = false;
  /** Until the first facts nothing is applied: what an earlier daemon left in the kernel is still in use. */
  #held = true;

  constructor(parts: NetworkApplierParts) {
    this.#parts = parts;
    this.#dataPathPort = parts.settings.dataPathPort;
  }

  /** The facts in force, the same value until they change: what DNS answers from. */
  facts(): NetworkFacts {
    this.#known ??= {
      self: { ...this.#parts.settings, dataPathPort: this.#dataPathPort },
      ...this.#facts,
      tasks: [...this.#tasks.values()],
    };
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

  /** Gives the task a sandbox; resolves when the kernel has it. Fault when the kernel refuses it. */
  attach(task: TaskFact): Promise<void> {
    this.#tasks.set(task.taskId, task);
    return this.#applied(task.taskId);
  }

  /** Takes the task's sandbox away; resolves when the kernel has let go. */
  detach(taskId: string): Promise<void> {
    if (!this.#tasks.delete(taskId)) return Promise.resolve();
    return this.#applied(undefined);
  }

  /** Sandboxes that exist before the agent starts (their containers run): no waiting. */
  adopt(tasks: readonly TaskFact[]): void {
    for (const task of tasks) this.#tasks.set(task.taskId, task);
    this.#known = undefined;
  }

  /** Resolves after the next complete application. */
  settle(): Promise<void> {
    return this.#applied(undefined);
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
    const { kernel, log } = this.#parts;
    if (this.#busy || this.#held) return;
    this.#busy = true;
    kernel
      .sweep(planNetwork(this.facts(), this.#parts.plan))
      .then((repaired) => {
        if (repaired.length > 0) log.warn("network repaired", { what: repaired.slice(0, 5).join("; ") });
      })
      .catch((error: unknown) => log.error("network sweep failed", { error: messageOf(error) }))
      .finally(() => this.#free());
  }

  #applied(taskId: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ taskId, resolve, reject });
      this.#change();
    });
  }

  #change(): void {
    this.#dirty = true;
    this.#known = undefined;
    if (this.#busy || this.#held) return;
    // Several changes of one turn make one round.
    queueMicrotask(() => {
      if (!this.#busy) this.#free();
    });
  }

  /** Starts a round if one is due and none runs. */
  #free(): void {
    this.#busy = false;
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#busy = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    void this.#round(waiters).finally(() => this.#free());
  }

  async #round(waiters: readonly Waiter[]): Promise<void> {
    const { kernel, log, clock } = this.#parts;
    try {
      const report = await kernel.apply(planNetwork(this.facts(), this.#parts.plan));
      for (const { namespace, error } of report.failures)
        log.error("network not applied", { namespace, error });
      for (const waiter of waiters) settleWaiter(waiter, report.failures);
      if (report.failures.length > 0) clock.after(RETRY_MS, () => this.#change());
    } catch (error) {
      log.error("network not applied", { error: messageOf(error) });
      for (const waiter of waiters) waiter.reject(error);
      clock.after(RETRY_MS, () => this.#change());
    }
  }
}

/** A task waits for its own namespace only: another one's trouble is not its own. */
function settleWaiter(waiter: Waiter, failures: readonly { namespace: string; error: string }[]): void {
  const { taskId } = waiter;
  const failed =
    taskId === undefined ? undefined : failures.find((f) => f.namespace.includes(taskId.slice(0, 8)));
  if (failed === undefined) waiter.resolve();
  else waiter.reject(new Fault("internal", `cannot set up the network of task ${taskId}: ${failed.error}`));
}
