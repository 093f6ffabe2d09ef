import type { Clock, Instant, Timer } from "../../../src/lib/index.ts";

interface Due {
  readonly at: Instant;
  readonly order: number;
  fn: (() => void) | undefined;
}

/** When every simulated world begins. */
export const DAWN: Instant = 1_700_000_000_000;

/**
 * The one clock of a simulated world. Time jumps from one timer to the next; timers fire in order of time, then of creation, and
 * everything that a timer set going (promises) comes to rest before the next one fires.
 */
export class SimClock implements Clock {
  #now: Instant = DAWN;
  #order = 0;
  readonly #heap: Due[] = [];
  /** Timers fired so far. */
  fired = 0;

  now(): Instant {
    return this.#now;
  }

  after(ms: number, fn: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, Math.round(ms)), order: this.#order++, fn };
    this.#push(due);
    return {
      cancel: () => {
        due.fn = undefined;
      },
    };
  }

  /** Lives until `end`. `afterEach` is called when what a timer set going has come to rest; when it says true, time stops there. */
  async runUntil(end: Instant, afterEach: () => boolean = () => false): Promise<void> {
    await rest();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (next.fn === undefined) continue;
      this.#now = next.at;
      this.fired += 1;
      next.fn();
      await rest();
      if (afterEach()) return;
    }
    this.#now = Math.max(this.#now, end);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let i = heap.push(due) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(due, heap[parent] as Due)) break;
      heap[i] = heap[parent] as Due;
      i = parent;
    }
    heap[i] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[i] = heap[child] as Due;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** One turn of the event loop: every promise that can settle has. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
