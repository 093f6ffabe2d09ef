import { type Log, messageOf } from "../lib/index.ts";
import type { AgentMessage, LogRequest } from "../rpc/index.ts";
import type { Containers } from "../runtime/index.ts";

export interface LogSourceParts {
  readonly containers: Containers;
  readonly log: Log;
  containerOf(taskId: string): string | undefined;
  send(message: AgentMessage): void;
}

const BATCH_LINES = 200;

/** Answers a manager's requests for the logs of this node's tasks. */
export class LogSource {
  readonly #parts: LogSourceParts;
  readonly #running = new Map<string, AbortController>();

  constructor(parts: LogSourceParts) {
    this.#parts = parts;
  }

  /** Sends the lines asked for, then that it is done. */
  async serve(request: LogRequest): Promise<void> {
    const { send, log } = this.#parts;
    const { subscriptionId } = request;
    const stop = this.#running.get(subscriptionId) ?? new AbortController();
    this.#running.set(subscriptionId, stop);
    let error = "";
    try {
      await Promise.all(request.taskIds.map((taskId) => this.#sendTask(request, taskId, stop.signal)));
    } catch (thrown) {
      error = messageOf(thrown);
      if (!stop.signal.aborted) log.warn("logs not sent", { subscription: subscriptionId, error });
    }
    if (!stop.signal.aborted) send({ kind: "logs-done", subscriptionId, error });
  }

  cancel(subscriptionId: string): void {
    this.#running.get(subscriptionId)?.abort(new Error("the reader left"));
    this.#running.delete(subscriptionId);
  }

  cancelAll(): void {
    for (const id of [...this.#running.keys()]) this.cancel(id);
  }

  async #sendTask(request: LogRequest, taskId: string, signal: AbortSignal): Promise<void> {
    const { containers, containerOf, send } = this.#parts;
    const id = containerOf(taskId);
    if (id === undefined) return;
    const { subscriptionId, follow, tail, since, until, stdout, stderr } = request;
    let lines: { taskId: string; at: bigint; stream: "stdout" | "stderr"; line: Uint8Array }[] = [];
    const flush = () => {
      if (lines.length > 0) send({ kind: "log-lines", subscriptionId, lines });
      lines = [];
    };
    const options = { follow, stdout, stderr, ...definedOf({ tail, since, until }) };
    for await (const entry of containers.logs(id, options, signal)) {
      lines.push({ taskId, at: entry.at, stream: entry.stream, line: entry.line });
      if (follow || lines.length >= BATCH_LINES) flush();
    }
    flush();
  }
}

function definedOf<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
