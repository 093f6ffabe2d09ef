import type { Fault } from "../lib/index.ts";

/** How to hold back the sender of what an inbox takes. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** Messages that may wait to be read before the sender is held back. */
const HIGH_WATER = 64;

/** Messages from a stream for one reader, in order; a slow reader holds back the sender. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #flow: Flow;
  #items: T[] = [];
  #paused = false;
  #ended = false;
  #failure: Fault | undefined;
  #wake: (() => void) | undefined;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    if (this.#items.length >= HIGH_WATER && !this.#paused) {
      this.#paused = true;
      this.#flow.pause();
    }
    this.#wake?.();
  }

  /** No more messages; those here are still read, then the failure is thrown, when there is one. */
  end(failure?: Fault): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#wake?.();
  }

  /** Ends at once: what has not been read is dropped. */
  abandon(): void {
    this.#items = [];
    this.#ended = true;
    this.#failure = undefined;
    this.#release();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) {
          if (this.#items.length < HIGH_WATER / 2) this.#release();
          yield item;
        } else if (this.#ended) {
          if (this.#failure !== undefined) throw this.#failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.abandon();
    }
  }

  #release(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flow.resume();
  }
}
