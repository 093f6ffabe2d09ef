import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import { type Change, put, stateRank, type TaskStatus, withReport } from "../model/index.ts";
import type { Store } from "../store/index.ts";

/** Reports gather this long before they are written together. */
const BATCH_MS = 10;
/** Pause after a write that failed, so that a broken store is not hammered. */
const RETRY_MS = 200;

interface Report {
  readonly nodeId: string;
  readonly taskId: string;
  readonly status: TaskStatus;
}

/** Task reports from agents, written in batches; only the assigned node is believed, and only forwards. */
export class StatusQueue {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By node and task: what one node says of another's task displaces nothing. */
  #waiting = new Map<string, Report>();
  #wake: (() => void) | undefined;

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** A report to be written, if it is of a task of that node; a later one of the same node for the same task replaces it, unless it goes back. */
  add(nodeId: string, taskId: string, status: TaskStatus): void {
    if (this.#store.view.get("task", taskId)?.nodeId !== nodeId) return;
    const key = `${nodeId}/${taskId}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && stateRank(status.state) < stateRank(waiting.status.state)) return;
    this.#waiting.set(key, { nodeId, taskId, status });
    this.#wake?.();
  }

  /** Writes reports until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      if (this.#waiting.size === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await sleep(this.#clock, BATCH_MS, signal).catch(() => undefined);
      const written = await this.#flush();
      if (!written) await sleep(this.#clock, RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** Writes what waits; false when that failed and waits again. */
  async #flush(): Promise<boolean> {
    const batch = this.#waiting;
    this.#waiting = new Map();
    if (batch.size === 0) return true;
    try {
      await this.#store.mutate((view) =>
        [...batch.values()].flatMap(({ nodeId, taskId, status }): Change[] => {
          const task = view.get("task", taskId);
          if (task === undefined || task.nodeId !== nodeId) return [];
          const next = withReport(task, status, this.#clock.now());
          return next === undefined ? [] : [put("task", next)];
        }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#log.warn("statuses not written, trying again", { error: messageOf(error), tasks: batch.size });
      const later = this.#waiting;
      this.#waiting = batch;
      for (const { nodeId, taskId, status } of later.values()) this.add(nodeId, taskId, status);
      return false;
    }
  }
}
