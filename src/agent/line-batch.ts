import type { Clock, Timer } from "../lib/index.ts";
import type { SentLogLine } from "../rpc/index.ts";
import type { Credit } from "./credit.ts";

const BATCH_LINES = 200;
const BATCH_BYTES = 256 * 1024;
/** A line that comes alone waits so long for others to go with. */
export const LINGER_MS: number = 20;

export interface LineBatchParts {
  readonly clock: Clock;
  readonly credit: Credit;
  readonly signal: AbortSignal;
  /** Without it lines go when there are many, and at the end. */
  readonly lingers: boolean;
  send(lines: readonly SentLogLine[]): void;
}

/** Lines of one log that go out together, in their order: when they are many, or when the first of them has waited long enough. */
export class LineBatch {
  readonly #parts: LineBatchParts;
  #lines: SentLogLine[] = [];
  #bytes = 0;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;

  constructor(parts: LineBatchParts) {
    this.#parts = parts;
  }

  /** Resolves when there is room for one more. Throws the signal's reason. */
  async add(line: SentLogLine): Promise<void> {
    this.#lines.push(line);
    this.#bytes += line.line.length;
    if (this.#lines.length >= BATCH_LINES || this.#bytes >= BATCH_BYTES) return this.flush();
    if (!this.#parts.lingers) return;
    // What it throws is the reader's leaving, which the log's reading ends with, too.
    this.#timer ??= this.#parts.clock.after(LINGER_MS, () => void this.flush().catch(() => undefined));
  }

  /** Sends what is there, as soon as one more message may go. Throws the signal's reason. */
  async flush(): Promise<void> {
    this.#sending ??= this.#lines.length === 0 ? undefined : this.#send();
    await this.#sending;
  }

  /** Nothing lingers any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Lines that come while it waits for its turn go with it, as many as a message holds. */
  async #send(): Promise<void> {
    const { credit, signal, send } = this.#parts;
    try {
      await credit.take(signal);
      this.close();
      const lines = this.#lines;
      [this.#lines, this.#bytes] = [[], 0];
      send(lines);
    } finally {
      this.#sending = undefined;
    }
  }
}
