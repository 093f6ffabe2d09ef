/** Counts what may still be sent: who finds nothing left waits his turn until more is given. */
export class Credit {
  #free: number;
  #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  /** Takes one, as soon as there is one. Throws the signal's reason when it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    while (this.#free === 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener("abort", wake);
          this.#waiting = this.#waiting.filter((w) => w !== wake);
          resolve();
        };
        this.#waiting.push(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
    signal.throwIfAborted();
    this.#free -= 1;
  }

  give(n: number): void {
    this.#free += n;
    for (const wake of this.#waiting.slice(0, n)) wake();
  }
}
