import { type Clock, Fault, type Instant, type Log, messageOf, sleep } from "../lib/index.ts";
import { type Change, put, stateRank, type Task, type TaskStatus, withReport } from "../model/index.ts";
import { firstSlice, type Store, type View } from "../store/index.ts";

/** Reports gather this long before they are written together. */
const BATCH_MS = 10;
/** Pause after a write that failed, so that a broken store is not hammered. */
const RETRY_MS = 200;
/** Other words for the same state are written this seldom, the last of them: nobody is to fill the store with them. */
const REWORD_MS = 1_000;

interface Report {
  readonly nodeId: string;
  readonly taskId: string;
  readonly status: TaskStatus;
  /** Not to be written before. */
  readonly due: Instant;
}

/** Task reports from agents, written in batches; only the assigned node is believed, and only forwards. */
export class StatusQueue {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By node and task: what one node says of another's task displaces nothing. */
  #waiting = new Map<string, Report>();
  /** Until when a task's state is not put in other words again; the earliest first. */
  readonly #reworded = new Map<string, Instant>();
  #wake: (() => void) | undefined;

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** A report to be written, if it is of a task of that node; a later one of the same node for the same task replaces it, unless it goes back. */
  add(nodeId: string, taskId: string, status: TaskStatus): void {
    const task = this.#store.view.get("task", taskId);
    if (task?.nodeId !== nodeId) return;
    const isReworded = task.status.state === status.state;
    const due = (isReworded && this.#reworded.get(taskId)) || 0;
    const report = { nodeId, taskId, status, due };
    const waiting = this.#waiting.get(keyOf(report));
    if (waiting !== undefined && stateRank(status.state) < stateRank(waiting.status.state)) return;
    this.#waiting.set(keyOf(report), report);
    this.#wake?.();
  }

  /** Writes reports until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      await this.#rest();
      await sleep(this.#clock, BATCH_MS, signal).catch(() => undefined);
      const written = await this.#flush();
      if (!written) await sleep(this.#clock, RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** Until a report comes, or the first of those that wait may be written. */
  async #rest(): Promise<void> {
    let due = Number.POSITIVE_INFINITY;
    for (const report of this.#waiting.values()) due = Math.min(due, report.due);
    const now = this.#clock.now();
    if (isOver(due, now) && this.#waiting.size > 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#waiting.size > 0 ? this.#clock.after(due - now, resolve) : undefined;
      this.#wake = () => {
        timer?.cancel();
        resolve();
      };
    });
  }

  /** Takes out the reports that may be written now. */
  #takeDue(): Report[] {
    const now = this.#clock.now();
    for (const [id, until] of this.#reworded) {
      if (!isOver(until, now)) break;
      this.#reworded.delete(id);
    }
    const batch = [...this.#waiting.values()].filter(({ due }) => isOver(due, now));
    for (const report of batch) this.#waiting.delete(keyOf(report));
    return batch;
  }

  /** Writes what waits, in as many commits as it takes; false when that failed and what is left waits again. */
  async #flush(): Promise<boolean> {
    const batch = this.#takeDue();
    try {
      while (batch.length > 0) {
        let written = 0;
        await this.#store.mutate((view) => {
          const all = batch.map((report) => this.#changeOf(view, report));
          const slice = new Set(firstSlice(all.flatMap((change) => change ?? [])));
          const end = all.findIndex((change) => change !== undefined && !slice.has(change));
          written = end < 0 ? batch.length : end;
          return [...slice];
        });
        batch.splice(0, written);
      }
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#log.warn("statuses not written, trying again", { error: messageOf(error), tasks: batch.length });
      const later = this.#waiting;
      this.#waiting = new Map(batch.map((report) => [keyOf(report), report]));
      for (const { nodeId, taskId, status } of later.values()) this.add(nodeId, taskId, status);
      return false;
    }
  }

  #changeOf(view: View, { nodeId, taskId, status }: Report): Change | undefined {
    const task = view.get("task", taskId);
    if (task === undefined || task.nodeId !== nodeId) return undefined;
    const next = withReport(task, plausible(task, status), this.#clock.now());
    if (next === undefined) return undefined;
    if (next.status.state === task.status.state) this.#pace(taskId);
    return put("task", next);
  }

  #pace(taskId: string): void {
    this.#reworded.delete(taskId);
    this.#reworded.set(taskId, this.#clock.now() + REWORD_MS);
  }
}

/** A clock that was set back holds nothing up. */
function isOver(until: Instant, now: Instant): boolean {
  return until <= now || until > now + REWORD_MS;
}

/** A task has no more ports than it was given. */
function plausible(task: Task, { ports, ...status }: TaskStatus): TaskStatus {
  return ports === undefined || ports.length > task.endpoint.ports.length ? status : { ...status, ports };
}

const keyOf = ({ nodeId, taskId }: Report): string => `${nodeId}/${taskId}`;
