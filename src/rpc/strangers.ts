import type { Clock, Timer } from "../lib/index.ts";

/** Connections of callers without a certificate that may be open at once. */
const MAX_OPEN = 1_000;
/** A joining node needs two short calls, of a few kilobytes each. */
const MAX_OPEN_MS = 30_000;
const MAX_READ_BYTES = 256 * 1024;
const LOOK_MS = 100;

/** What is needed of a connection to bound it. */
export interface StrangersSocket {
  readonly bytesRead: number;
  destroy(): void;
  once(event: "close", listener: () => void): unknown;
}

/** Bounds what callers without a certificate may use up before they are known: number, time and bytes. */
export class Strangers {
  readonly #clock: Clock;
  readonly #open = new Map<StrangersSocket, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches a connection until it closes. */
  watch(socket: StrangersSocket): void {
    if (this.#open.size >= MAX_OPEN) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, this.#clock.now() + MAX_OPEN_MS);
    socket.once("close", () => this.#open.delete(socket));
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const now = this.#clock.now();
    for (const [socket, until] of this.#open) {
      if (now >= until || socket.bytesRead > MAX_READ_BYTES) socket.destroy();
    }
    this.#timer = this.#open.size > 0 ? this.#clock.after(LOOK_MS, () => this.#look()) : undefined;
  }
}
