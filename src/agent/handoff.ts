import { Queue } from "../lib/index.ts";

/** Hands pieces from one who waits to one who reads: at most one is between them. */
export class Handoff<T> implements AsyncIterable<T> {
  readonly #queue = new Queue<T>();
  #taken: (() => void) | undefined;

  /** Resolves when the reader has done with it, or when the signal aborts. */
  put(piece: T, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#taken = done;
      signal.addEventListener("abort", done, { once: true });
      this.#queue.push(piece);
    });
  }

  /** The reader's loop ends with what was put. */
  end(): void {
    this.#queue.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const piece of this.#queue) {
      yield piece;
      this.#taken?.();
    }
  }
}
