import { once } from "node:events";
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";

/**
 * Writes to a FIFO that a shim reads a program's input from, as fast as the program takes it. Opened for both directions, so that it opens
 * whether or not the shim has done so yet.
 */
export class InputFifo {
  readonly #socket: Socket;

  constructor(path: string) {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: false, writable: true });
    // The program has ended: what it has not read is nobody's.
    this.#socket.on("error", () => this.#socket.destroy());
  }

  /** Writes all of it; ends early when the program does not read any more. Rejects as the source does. */
  async feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of source) {
      if (this.#socket.destroyed) return;
      if (this.#socket.write(chunk)) continue;
      await this.#room();
    }
  }

  async #room(): Promise<void> {
    const over = new AbortController();
    const { signal } = over;
    const [drain, close] = [once(this.#socket, "drain", { signal }), once(this.#socket, "close", { signal })];
    await Promise.race([drain, close]).finally(() => over.abort());
    await Promise.allSettled([drain, close]);
  }

  /** Once all that was written is in the FIFO, resolves; the FIFO is let go of. */
  async end(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroySoon();
    await closed;
  }

  close(): void {
    this.#socket.destroy();
  }
}
