import type { Clock } from "../../../src/lib/index.ts";
import type { SimProcess } from "./sim-process.ts";

/** One direction between two hosts. While it is cut, what was sent waits at the sender, as TCP does. */
export class Lane {
  #isCut = false;
  #held: (() => void)[] = [];

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) deliver();
  }

  pass(deliver: () => void): void {
    if (this.#isCut) this.#held.push(deliver);
    else deliver();
  }
}

/** Messages in order, each with its own delay, to one process. */
export class Pipe {
  readonly #clock: Clock;
  readonly #lane: Lane;
  readonly #to: SimProcess;
  readonly #delay: () => number;
  #last = 0;
  #isBroken = false;

  constructor(parts: { clock: Clock; lane: Lane; to: SimProcess; delay: () => number }) {
    this.#clock = parts.clock;
    this.#lane = parts.lane;
    this.#to = parts.to;
    this.#delay = parts.delay;
  }

  send(hear: () => void): void {
    const now = this.#clock.now();
    this.#last = Math.max(this.#last, now + this.#delay());
    this.#clock.after(this.#last - now, () =>
      this.#lane.pass(() => {
        if (!this.#isBroken) this.#to.run(hear);
      }),
    );
  }

  /** Nothing comes out any more. */
  break(): void {
    this.#isBroken = true;
  }
}
