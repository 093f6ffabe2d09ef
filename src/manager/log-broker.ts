import { newId, Queue, type Random } from "../lib/index.ts";
import type { Task } from "../model/index.ts";
import type { LogRequest, SentLogLine, SessionStream } from "../rpc/index.ts";
import type { Store } from "../store/index.ts";

/** Which tasks' logs, and how much of them. */
export interface LogSelector {
  readonly serviceId?: string;
  readonly taskId?: string;
}

export type LogOptions = Omit<LogRequest, "kind" | "subscriptionId" | "taskIds">;

/** A line, and where it came from. */
export interface ServiceLogLine extends SentLogLine {
  readonly nodeId: string;
  readonly serviceId: string;
}

interface Subscription {
  readonly lines: Queue<ServiceLogLine>;
  readonly asked: Set<string>;
  readonly waitingFor: Map<string, number>;
  readonly missing: Map<string, string>;
  readonly options: LogOptions;
  readonly selector: LogSelector;
}

/** Collects container logs from the nodes that have them (swarm-map 3.11). */
export class LogBroker {
  readonly #store: Store;
  readonly #random: Random;
  readonly #streamOf: (nodeId: string) => SessionStream | undefined;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(parts: {
    store: Store;
    random: Random;
    streamOf: (nodeId: string) => SessionStream | undefined;
  }) {
    this.#store = parts.store;
    this.#random = parts.random;
    this.#streamOf = parts.streamOf;
  }

  /**
   * Lines of the selected tasks until all nodes have sent theirs, or with `follow` until the signal aborts.
   * Nodes that could not be asked are named in the generator's return value, one sentence each.
   */
  async *subscribe(
    selector: LogSelector,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ServiceLogLine, string[]> {
    const id = newId(this.#random);
    const subscription: Subscription = {
      lines: new Queue(),
      asked: new Set(),
      waitingFor: new Map(),
      missing: new Map(),
      options,
      selector,
    };
    this.#subscriptions.set(id, subscription);
    const stop = () => subscription.lines.close();
    signal.addEventListener("abort", stop, { once: true });
    const unsubscribe = this.#store.subscribe(() => this.#ask(id, subscription));
    try {
      this.#ask(id, subscription);
      yield* subscription.lines;
      return [...subscription.missing].map(([nodeId, why]) => `node ${nodeId} ${why}`);
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", stop);
      this.#cancel(id, subscription);
    }
  }

  lines(nodeId: string, subscriptionId: string, lines: readonly SentLogLine[]): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    for (const line of lines) {
      const task = this.#store.view.get("task", line.taskId);
      // A node may speak only for the tasks it runs.
      if (subscription === undefined || task?.nodeId !== nodeId) continue;
      subscription.lines.push({ ...line, nodeId, serviceId: task.serviceId });
    }
  }

  done(nodeId: string, subscriptionId: string, error: string): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    if (error !== "") subscription.missing.set(nodeId, error);
    const left = (subscription.waitingFor.get(nodeId) ?? 1) - 1;
    if (left > 0) subscription.waitingFor.set(nodeId, left);
    else subscription.waitingFor.delete(nodeId);
    this.#finishIfDone(subscription);
  }

  /** The node's session ended: nobody waits for it any longer. */
  nodeLeft(nodeId: string): void {
    for (const subscription of this.#subscriptions.values()) {
      if (!subscription.waitingFor.delete(nodeId)) continue;
      subscription.missing.set(nodeId, "is not available");
      this.#finishIfDone(subscription);
    }
  }

  /** Asks the nodes of tasks not asked about yet; with `follow` new tasks join as they come. */
  #ask(id: string, subscription: Subscription): void {
    const byNode = new Map<string, string[]>();
    for (const task of this.#tasksOf(subscription.selector)) {
      if (subscription.asked.has(task.id) || task.nodeId === undefined) continue;
      if (subscription.asked.size > 0 && !subscription.options.follow) continue;
      byNode.set(task.nodeId, [...(byNode.get(task.nodeId) ?? []), task.id]);
    }
    for (const [nodeId, taskIds] of byNode) {
      for (const taskId of taskIds) subscription.asked.add(taskId);
      const stream = this.#streamOf(nodeId);
      if (stream === undefined) {
        subscription.missing.set(nodeId, "is not available");
        continue;
      }
      subscription.waitingFor.set(nodeId, (subscription.waitingFor.get(nodeId) ?? 0) + 1);
      stream.send({ kind: "log-request", subscriptionId: id, taskIds, ...subscription.options });
    }
    this.#finishIfDone(subscription);
  }

  #tasksOf({ serviceId, taskId }: LogSelector): Task[] {
    const { view } = this.#store;
    if (serviceId !== undefined) return [...view.tasksByService(serviceId)];
    const task = taskId === undefined ? undefined : view.get("task", taskId);
    return task === undefined ? [] : [task];
  }

  #finishIfDone(subscription: Subscription): void {
    if (subscription.waitingFor.size === 0 && !subscription.options.follow) subscription.lines.close();
  }

  #cancel(id: string, subscription: Subscription): void {
    this.#subscriptions.delete(id);
    for (const nodeId of subscription.waitingFor.keys()) {
      this.#streamOf(nodeId)?.send({ kind: "log-cancel", subscriptionId: id });
    }
  }
}
