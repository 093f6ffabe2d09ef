import { type Log, messageOf } from "../lib/index.ts";
import { type AgentMessage, LOG_WINDOW, type LogRequest, type SentLogLine } from "../rpc/index.ts";
import type { Containers } from "../runtime/index.ts";
import { Credit } from "./credit.ts";

export interface LogSourceParts {
  readonly containers: Pick<Containers, "logs">;
  readonly log: Log;
  containerOf(taskId: string): string | undefined;
  send(message: AgentMessage): void;
}

const BATCH_LINES = 200;
const BATCH_BYTES = 256 * 1024;

/** One subscription: how to stop it, how much may be under way, and the requests that are being served. */
interface Serving {
  readonly stop: AbortController;
  readonly credit: Credit;
  requests: number;
}

/**
 * Answers a manager's requests for the logs of this node's tasks. It reads no faster than the reader at the other end
 * of the manager does.
 */
export class LogSource {
  readonly #parts: LogSourceParts;
  readonly #serving = new Map<string, Serving>();

  constructor(parts: LogSourceParts) {
    this.#parts = parts;
  }

  /** Sends the lines asked for, then that it is done. */
  async serve(request: LogRequest): Promise<void> {
    const { send, log } = this.#parts;
    const { subscriptionId } = request;
    const serving = this.#begin(subscriptionId);
    const { signal } = serving.stop;
    let error = "";
    try {
      await Promise.all(request.taskIds.map((taskId) => this.#sendTask(request, taskId, serving)));
    } catch (thrown) {
      error = messageOf(thrown);
      if (!signal.aborted) log.warn("logs not sent", { subscription: subscriptionId, error });
    }
    if (signal.aborted) return;
    send({ kind: "logs-done", subscriptionId, error });
    serving.requests -= 1;
    if (serving.requests === 0) this.#serving.delete(subscriptionId);
  }

  /** The reader has taken so many messages of lines. */
  taken(subscriptionId: string, batches: number): void {
    this.#serving.get(subscriptionId)?.credit.give(batches);
  }

  cancel(subscriptionId: string): void {
    this.#serving.get(subscriptionId)?.stop.abort(new Error("the reader left"));
    this.#serving.delete(subscriptionId);
  }

  cancelAll(): void {
    for (const id of [...this.#serving.keys()]) this.cancel(id);
  }

  #begin(subscriptionId: string): Serving {
    const serving = this.#serving.get(subscriptionId) ?? {
      stop: new AbortController(),
      credit: new Credit(LOG_WINDOW),
      requests: 0,
    };
    serving.requests += 1;
    this.#serving.set(subscriptionId, serving);
    return serving;
  }

  async #sendTask(request: LogRequest, taskId: string, { stop, credit }: Serving): Promise<void> {
    const { containers, containerOf, send } = this.#parts;
    const id = containerOf(taskId);
    if (id === undefined) return;
    const { subscriptionId, follow, tail, since, until, stdout, stderr } = request;
    let lines: SentLogLine[] = [];
    let bytes = 0;
    const flush = async () => {
      if (lines.length === 0) return;
      await credit.take(stop.signal);
      send({ kind: "log-lines", subscriptionId, lines });
      [lines, bytes] = [[], 0];
    };
    const options = { follow, stdout, stderr, ...definedOf({ tail, since, until }) };
    for await (const { at, stream, line } of containers.logs(id, options, stop.signal)) {
      lines.push({ taskId, at, stream, line });
      bytes += line.length;
      if (follow || lines.length >= BATCH_LINES || bytes >= BATCH_BYTES) await flush();
    }
    await flush();
  }
}

function definedOf<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
