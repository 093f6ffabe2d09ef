import { type Clock, Fault, type Timer } from "../lib/index.ts";

export interface OutboxParts<T> {
  /** Hands a message to the connection, which calls `done` when it has left. */
  write(message: T, done: () => void): void;
  /** A message's size in bytes, about. */
  weigh(message: T): number;
  /** The other end takes nothing any more, or too much waits for it. */
  onStall(fault: Fault): void;
  readonly clock: Clock;
}

/** Nothing at all has left for this long: the other end is stuck, though its machine may still answer pings. */
export const STALL_MS: number = 30_000;
/** More than this waits to be sent. */
export const MAX_WAITING_BYTES: number = 128 * 2 ** 20;

/** What waits to be sent on one stream: bounded in bytes and in time. */
export class Outbox<T> {
  readonly #parts: OutboxParts<T>;
  #bytes = 0;
  #messages = 0;
  #closed = false;
  #timer: Timer | undefined;

  constructor(parts: OutboxParts<T>) {
    this.#parts = parts;
  }

  /** Queues a message; nothing after `close`. */
  send(message: T): void {
    if (this.#closed) return;
    const bytes = this.#parts.weigh(message);
    if (this.#bytes + bytes > MAX_WAITING_BYTES) {
      this.#stall(`more than ${MAX_WAITING_BYTES / 2 ** 20} MB wait to be read`);
      return;
    }
    this.#bytes += bytes;
    this.#messages += 1;
    this.#timer ??= this.#watch();
    this.#parts.write(message, () => this.#sent(bytes));
  }

  /** Takes no more messages. What waits is still sent, or found stuck. */
  close(): void {
    this.#closed = true;
  }

  /** The connection is gone: nothing waits any longer. */
  discard(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sent(bytes: number): void {
    this.#bytes -= bytes;
    this.#messages -= 1;
    this.#timer?.cancel();
    this.#timer = this.#messages > 0 && this.#timer !== undefined ? this.#watch() : undefined;
  }

  #watch(): Timer {
    return this.#parts.clock.after(STALL_MS, () => this.#stall(`nothing was read for ${STALL_MS / 1000} s`));
  }

  #stall(why: string): void {
    this.discard();
    this.#parts.onStall(new Fault("unavailable", `session ended: ${why} at the other end`));
  }
}
