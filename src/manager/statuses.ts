import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import { type Change, put, type TaskStatus, withReport } from "../model/index.ts";
import type { Store } from "../store/index.ts";

/** Reports gather this long before they are written together. */
const BATCH_MS = 10;

/** Task reports from agents, written in batches; only the assigned node is believed, and only forwards. */
export class StatusQueue {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  #waiting = new Map<string, { nodeId: string; status: TaskStatus }>();
  #wake: (() => void) | undefined;

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** A report to be written; a later one for the same task replaces it. */
  add(nodeId: string, taskId: string, status: TaskStatus): void {
    this.#waiting.set(taskId, { nodeId, status });
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
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = new Map();
    if (batch.size === 0) return;
    try {
      await this.#store.mutate((view) =>
        [...batch].flatMap(([taskId, { nodeId, status }]): Change[] => {
          const task = view.get("task", taskId);
          if (task === undefined || task.nodeId !== nodeId) return [];
          const next = withReport(task, status, this.#clock.now());
          return next === undefined ? [] : [put("task", next)];
        }),
      );
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#log.warn("statuses not written, trying again", { error: messageOf(error), tasks: batch.size });
      for (const [taskId, report] of batch) if (!this.#waiting.has(taskId)) this.#waiting.set(taskId, report);
    }
  }
}
