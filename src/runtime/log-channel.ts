/** How the pump of one container tells the readers of its log, all in this process, what has happened to it. */
export class LogChannel {
  /** A pump is writing, or about to. */
  isOpen = false;
  /** Files the pump keeps. */
  maxFiles = 1;
  #version = 0;
  #closings = 0;
  readonly #onChange = new Set<() => void>();
  readonly #onRotate = new Set<() => void>();

  /** Counts whatever happened; see `changeAfter`. */
  get version(): number {
    return this.#version;
  }

  /** How often a pump has ended. */
  get closings(): number {
    return this.#closings;
  }

  get isIdle(): boolean {
    return !this.isOpen && this.#onChange.size === 0 && this.#onRotate.size === 0;
  }

  /** Entries were written, or the pump has opened or closed. */
  changed(): void {
    this.#version++;
    for (const fn of [...this.#onChange]) fn();
  }

  /** The pump has ended, or the log is gone: readers that follow have nothing more to wait for. */
  closed(): void {
    this.isOpen = false;
    this.#closings++;
    this.changed();
  }

  /** A fresh, empty file has the log's name. */
  rotated(): void {
    for (const fn of this.#onRotate) fn();
  }

  /** Calls `fn` at each rotation, before anything is written to the fresh file; returns how to stop. */
  onRotate(fn: () => void): () => void {
    this.#onRotate.add(fn);
    return () => void this.#onRotate.delete(fn);
  }

  /** Resolves when something has happened since `version`; rejects with the signal's reason. */
  changeAfter(version: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => () => {
        this.#onChange.delete(onChange);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onChange = end(resolve);
      const onAbort = end(() => reject(signal.reason));
      if (signal.aborted) return reject(signal.reason);
      if (version !== this.#version) return resolve();
      this.#onChange.add(onChange);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
