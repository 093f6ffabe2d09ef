import { newId, type Random } from "../lib/index.ts";
import { stateRank, type Task } from "../model/index.ts";
import { LOG_WINDOW, type SentLogLine, type SessionStream } from "../rpc/index.ts";
import type { Store } from "../store/index.ts";
import {
  type LogOptions,
  type LogSelector,
  LogSubscription,
  type ServiceLogLine,
} from "./log-subscription.ts";

export interface LogBrokerParts {
  readonly store: Store;
  readonly random: Random;
  /** The session of a node that has been welcomed. */
  readonly streamOf: (nodeId: string) => SessionStream | undefined;
}

/** A node that has this much unread ignores the window; a node that begins a new request may be at twice the window. */
const MAX_UNREAD = 4 * LOG_WINDOW;

const HAS_CONTAINER = stateRank("starting");

/** Collects container logs from the nodes that have them, no faster than they are read (swarm-map 3.11). */
export class LogBroker {
  readonly #parts: LogBrokerParts;
  readonly #subscriptions = new Map<string, LogSubscription>();

  constructor(parts: LogBrokerParts) {
    this.#parts = parts;
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
    const { random, store } = this.#parts;
    const subscription = new LogSubscription(newId(random), selector, options);
    this.#subscriptions.set(subscription.id, subscription);
    const stop = () => subscription.batches.close();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const unsubscribe = store.subscribe(() => this.#ask(subscription));
    try {
      this.#ask(subscription);
      for await (const batch of subscription.batches) {
        yield* batch.lines;
        subscription.read(batch);
        this.#tell(batch.nodeId, { kind: "log-taken", subscriptionId: subscription.id, batches: 1 });
      }
      return [...subscription.missing].map(([nodeId, why]) => `node ${nodeId} ${why}`);
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", stop);
      this.#cancel(subscription);
    }
  }

  /** Lines from a node. It may speak only for the tasks it runs, and only as fast as it is read. */
  lines(nodeId: string, subscriptionId: string, lines: readonly SentLogLine[]): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    if ((subscription.unread.get(nodeId) ?? 0) >= MAX_UNREAD) {
      subscription.missing.set(nodeId, "sent more than it was asked for");
      return;
    }
    const own = lines.flatMap((line) => {
      const task = this.#parts.store.view.get("task", line.taskId);
      const selected = task?.nodeId === nodeId && isSelected(subscription.selector, task);
      return selected ? [{ ...line, nodeId, serviceId: task.serviceId }] : [];
    });
    subscription.take({ nodeId, lines: own });
  }

  /** A node has answered a request; `error` is empty when it sent all. */
  done(nodeId: string, subscriptionId: string, error: string): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    if (error !== "") subscription.missing.set(nodeId, error);
    subscription.done(nodeId);
    this.#finishIfDone(subscription);
  }

  /** The node has a session: readers who follow its tasks go on. */
  nodeCame(nodeId: string): void {
    for (const subscription of this.#subscriptions.values()) {
      if (!subscription.options.follow) continue;
      subscription.missing.delete(nodeId);
      this.#ask(subscription);
    }
  }

  /** The node's session ended: nobody waits for it any longer. */
  nodeLeft(nodeId: string): void {
    for (const subscription of this.#subscriptions.values()) {
      if (!subscription.left(nodeId)) continue;
      subscription.missing.set(nodeId, "is not available");
      this.#finishIfDone(subscription);
    }
  }

  /** Asks the nodes of tasks not asked about yet; with `follow` new tasks join as they come. */
  #ask(subscription: LogSubscription): void {
    const { id: subscriptionId, options } = subscription;
    const { tail: _tail, since: _since, ...rest } = options;
    for (const [nodeId, wants] of subscription.wants(this.#tasksOf(subscription.selector))) {
      const stream = this.#parts.streamOf(nodeId);
      if (stream === undefined) {
        subscription.missing.set(nodeId, "is not available");
        continue;
      }
      for (const wanted of wants) {
        subscription.asked(nodeId, wanted.taskIds);
        stream.send({ kind: "log-request", subscriptionId, ...rest, ...wanted });
      }
    }
    this.#finishIfDone(subscription);
  }

  /** The selected tasks that have a container: a node asked earlier would say that there is nothing. */
  #tasksOf({ serviceId, taskId }: LogSelector): Task[] {
    const { view } = this.#parts.store;
    const task = taskId === undefined ? undefined : view.get("task", taskId);
    const one = task === undefined ? [] : [task];
    const selected = serviceId === undefined ? one : [...view.tasksByService(serviceId)];
    return selected.filter(({ status }) => stateRank(status.state) >= HAS_CONTAINER);
  }

  #finishIfDone({ waiting, options, batches }: LogSubscription): void {
    if (waiting.size === 0 && !options.follow) batches.close();
  }

  #cancel(subscription: LogSubscription): void {
    this.#subscriptions.delete(subscription.id);
    for (const nodeId of subscription.waiting.keys()) {
      this.#tell(nodeId, { kind: "log-cancel", subscriptionId: subscription.id });
    }
  }

  #tell(nodeId: string, message: Parameters<SessionStream["send"]>[0]): void {
    this.#parts.streamOf(nodeId)?.send(message);
  }
}

function isSelected({ serviceId, taskId }: LogSelector, task: Task): boolean {
  return serviceId === undefined ? task.id === taskId : task.serviceId === serviceId;
}
