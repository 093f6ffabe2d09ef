import { isWanted } from "../model/index.ts";
import type { AssignedTask } from "./assigned-task.ts";

/** The end of a runner's life, thrown to leave the normal path. */
export class Ended extends Error {}

/** What is wanted of one task, as managers and the agent say it; who waits for a word wakes when it comes. */
export class TaskOrders {
  #task: AssignedTask;
  #isGone = false;
  #isDrained = false;
  #wake: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Rejects with Ended when the agent stops. */
  readonly abandoned: Promise<never>;

  constructor(task: AssignedTask) {
    this.#task = task;
    this.abandoned = new Promise((_, reject) => {
      this.signal.addEventListener("abort", () => reject(this.signal.reason), { once: true });
    });
    this.abandoned.catch(() => undefined);
  }

  get task(): AssignedTask {
    return this.#task;
  }

  /** It left the assignments. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** No node sends it new connections any more. */
  get isDrained(): boolean {
    return this.#isDrained;
  }

  get mustStop(): boolean {
    return this.#isGone || !isWanted(this.#task);
  }

  /** Aborts when the agent stops. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  update(task: AssignedTask): void {
    this.#task = task;
    this.#notify();
  }

  drained(): void {
    this.#isDrained = true;
    this.#notify();
  }

  remove(): void {
    this.#isGone = true;
    this.#notify();
  }

  abandon(): void {
    this.#stop.abort(new Ended("the agent stops"));
    this.#notify();
  }

  /** Resolves when the condition holds; rejects with Ended when the agent stops. */
  async until(condition: () => boolean): Promise<undefined> {
    this.signal.throwIfAborted();
    while (!condition()) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
      this.signal.throwIfAborted();
    }
    return undefined;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
