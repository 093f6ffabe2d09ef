import type { Instant } from "../lib/index.ts";
import { MICROS_APART, microsOf, type News, nextMicros } from "../model/index.ts";

/** When news are told: each event at a time of its own, after all that this writer knows of. */
export class NewsClock {
  #end = 0;

  /** The instant of the first of so many events. */
  next(now: Instant, events: number): Instant {
    const first = nextMicros(now, this.#end);
    this.#end = first + events * MICROS_APART;
    return first / 1000;
  }

  saw({ at, events }: News): void {
    this.#end = Math.max(this.#end, microsOf(at) + events.length * MICROS_APART);
  }
}
