import { type Clock, Fault, messageOf, sleep } from "../lib/index.ts";
import { Ended, type TaskOrders } from "./task-orders.ts";

const RETRY_MS = 1_000;
/** How often what a task needs is tried while a part (registry, containerd) is away; then another node may do better. */
const TRIES = 10;

/** How long a runner waits for a part of the machine that is away. */
export class Patience {
  readonly #clock: Clock;
  readonly #orders: TaskOrders;
  readonly #warn: (message: string, error: unknown) => void;

  constructor(clock: Clock, orders: TaskOrders, warn: (message: string, error: unknown) => void) {
    this.#clock = clock;
    this.#orders = orders;
    this.#warn = warn;
  }

  /** Runs `work`, again after a second while a part is away, some times; meanwhile `onWait` is told why. */
  async try<T>(signal: AbortSignal, work: () => Promise<T>, onWait: (reason: string) => void): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!Fault.is(error, "unavailable") || tries === TRIES) throw error;
        onWait(messageOf(error));
        await sleep(this.#clock, RETRY_MS, signal);
      }
    }
  }

  /** Runs `work`, again after a second while a part is away: what was begun must be ended, by the next daemon if need be. */
  async insist<T>(work: () => Promise<T>): Promise<T> {
    const { abandoned, signal } = this.#orders;
    while (true) {
      try {
        return await Promise.race([work(), abandoned]);
      } catch (error) {
        if (signal.aborted) throw new Ended("the agent stops");
        if (!Fault.is(error, "unavailable")) throw error;
        this.#warn("trying again", error);
        await sleep(this.#clock, RETRY_MS, signal);
      }
    }
  }
}
