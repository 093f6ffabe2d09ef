/** Those who wait for the next change of something in memory. */
export class FakeWaiters {
  readonly #waiting: (() => void)[] = [];

  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Rejects with the signal's reason. */
  change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }
}
