import type { ProgramIo } from "./program.ts";

interface Tap {
  readonly write: ProgramIo["write"];
  end(): void;
}

/** Those who see a container's output as it comes. The slowest of them sets the pace, as a pipe's reader does. */
export class Taps {
  readonly #taps = new Set<Tap>();

  /** Resolves when the output is at its end; rejects with the signal's reason. */
  open(write: ProgramIo["write"], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#taps.delete(tap);
        signal.removeEventListener("abort", onAbort);
      };
      const tap: Tap = {
        write,
        end: () => {
          leave();
          resolve();
        },
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#taps.add(tap);
    });
  }

  take(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> | undefined {
    const waits = [...this.#taps].flatMap(({ write }) => write(stream, chunk) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  end(): void {
    for (const tap of [...this.#taps]) tap.end();
  }
}
