import { Fault } from "../lib/index.ts";
import type { Containers } from "../runtime/index.ts";

/** When a wait is over (moby container/state.go WaitCondition). */
export type WaitCondition = "not-running" | "next-exit" | "removed";

interface Waiter {
  readonly id: string;
  readonly on: "die" | "destroy";
  done(exitCode: number): void;
}

/** Tells who waits for a container's end how it ended; its last exit code is known for as long as somebody waits for its removal. */
export class Exits {
  readonly #containers: Pick<Containers, "get">;
  readonly #waiters = new Set<Waiter>();
  readonly #lastCodes = new Map<string, number>();

  constructor(containers: Pick<Containers, "get">) {
    this.#containers = containers;
  }

  ended(id: string, exitCode: number): void {
    if (this.#isWaitedFor(id)) this.#lastCodes.set(id, exitCode);
    this.#wake(id, "die", exitCode);
  }

  removed(id: string): void {
    const code = this.#lastCodes.get(id) ?? 0;
    this.#lastCodes.delete(id);
    // Who waited for one more end will see none.
    for (const on of ["die", "destroy"] as const) this.#wake(id, on, code);
  }

  /** The exit code; begins to wait at once. Rejects with the signal's reason. Fault "not-found". */
  async wait(id: string, condition: WaitCondition, signal: AbortSignal): Promise<number> {
    const state = await this.#containers.get(id);
    if (state === undefined) throw new Fault("not-found", `No such container: ${id}`);
    if (condition === "not-running" && state.status !== "running") return state.exitCode ?? 0;
    if (condition === "removed" && state.status === "stopped") this.#lastCodes.set(id, state.exitCode ?? 0);
    return this.#until(id, condition === "removed" ? "destroy" : "die", signal);
  }

  #until(id: string, on: Waiter["on"], signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...{ id, on },
        done: (exitCode) => {
          this.#waiters.delete(waiter);
          signal.removeEventListener("abort", leave);
          resolve(exitCode);
        },
      };
      const leave = () => {
        this.#waiters.delete(waiter);
        if (!this.#isWaitedFor(id)) this.#lastCodes.delete(id);
        reject(signal.reason);
      };
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #isWaitedFor(id: string): boolean {
    return [...this.#waiters].some((waiter) => waiter.id === id);
  }

  #wake(id: string, on: Waiter["on"], exitCode: number): void {
    for (const waiter of [...this.#waiters]) if (waiter.id === id && waiter.on === on) waiter.done(exitCode);
  }
}
