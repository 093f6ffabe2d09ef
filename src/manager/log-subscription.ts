import { Queue } from "../lib/index.ts";
import type { LogRequest, SentLogLine } from "../rpc/index.ts";

/** Which tasks' logs. */
export interface LogSelector {
  readonly serviceId?: string;
  readonly taskId?: string;
}

/** How much of them. */
export type LogOptions = Omit<LogRequest, "kind" | "subscriptionId" | "taskIds">;

/** A line, and where it came from. */
export interface ServiceLogLine extends SentLogLine {
  readonly nodeId: string;
  readonly serviceId: string;
}

/** Lines that came in one message. */
export interface Batch {
  readonly nodeId: string;
  readonly lines: readonly ServiceLogLine[];
}

/** Who is asked what: one request to a node. */
export type Wanted = Pick<LogRequest, "taskIds" | "tail" | "since">;

/** What one reader wants, has asked for, and has got. */
export class LogSubscription {
  readonly id: string;
  readonly selector: LogSelector;
  readonly options: LogOptions;
  readonly batches: Queue<Batch> = new Queue();
  /** Requests that are being answered, by node. */
  readonly waiting: Map<string, number> = new Map();
  /** Why a node's lines are not all there, by node. */
  readonly missing: Map<string, string> = new Map();
  /** Messages that have come and not been read, by node. */
  readonly unread: Map<string, number> = new Map();
  readonly #asked = new Map<string, string>();
  /** The last line's time by task: where to go on when a node comes back. */
  readonly #lastAt = new Map<string, bigint>();
  #first = true;

  constructor(id: string, selector: LogSelector, options: LogOptions) {
    this.id = id;
    this.selector = selector;
    this.options = options;
  }

  /** What is to be asked of each node now; without `follow` everything is asked at once and nothing later. */
  wants(tasks: Iterable<{ readonly id: string; readonly nodeId?: string }>): Map<string, Wanted[]> {
    const wants = new Map<string, Wanted[]>();
    if (!this.#first && !this.options.follow) return wants;
    this.#first = false;
    const fresh = new Map<string, string[]>();
    for (const { id, nodeId } of tasks) {
      if (nodeId === undefined || this.#asked.has(id)) continue;
      const last = this.#lastAt.get(id);
      if (last === undefined) fresh.set(nodeId, [...(fresh.get(nodeId) ?? []), id]);
      else wants.set(nodeId, [...(wants.get(nodeId) ?? []), { taskIds: [id], since: last + 1n }]);
    }
    const { tail, since } = this.options;
    for (const [nodeId, taskIds] of fresh) {
      const wanted = { taskIds, ...(tail !== undefined && { tail }), ...(since !== undefined && { since }) };
      wants.set(nodeId, [...(wants.get(nodeId) ?? []), wanted]);
    }
    return wants;
  }

  /** A request was sent to the node. */
  asked(nodeId: string, taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#asked.set(taskId, nodeId);
    this.waiting.set(nodeId, (this.waiting.get(nodeId) ?? 0) + 1);
  }

  take(batch: Batch): void {
    for (const { taskId, at } of batch.lines) this.#lastAt.set(taskId, at);
    this.unread.set(batch.nodeId, (this.unread.get(batch.nodeId) ?? 0) + 1);
    this.batches.push(batch);
  }

  /** The reader has got to the end of a batch. */
  read({ nodeId }: Batch): void {
    this.unread.set(nodeId, (this.unread.get(nodeId) ?? 1) - 1);
  }

  /** One request has been answered. */
  done(nodeId: string): void {
    const left = (this.waiting.get(nodeId) ?? 1) - 1;
    if (left > 0) this.waiting.set(nodeId, left);
    else this.waiting.delete(nodeId);
  }

  /** The node is away: what it was asked is to be asked again. Whether it still owed an answer. */
  left(nodeId: string): boolean {
    for (const [taskId, at] of this.#asked) if (at === nodeId) this.#asked.delete(taskId);
    this.unread.delete(nodeId);
    return this.waiting.delete(nodeId);
  }
}
