import type { Clock, Instant, Timer } from "./clock.ts";

interface Due {
  at: Instant;
  order: number;
  fn: () => void;
}

/** A clock that moves only when told. Timers fire in order of time, then of creation. */
export class FakeClock implements Clock {
  #now: Instant;
  #order = 0;
  #due: Due[] = [];

  constructor(start: Instant = 1_700_000_000_000) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  after(ms: number, fn: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((d) => d !== due);
      },
    };
  }

  /** Moves time on by `ms`, firing what falls due; promises get a turn after each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = next.at;
      this.#due = this.#due.filter((d) => d !== next);
      next.fn();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  #next(end: Instant): Due | undefined {
    return this.#due.filter((d) => d.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

/** Lets pending promise callbacks run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
