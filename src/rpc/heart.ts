import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import type { BeatLine } from "./beat-line.ts";

/** A session that a manager has welcomed this node to. */
export interface BeatSession {
  /** The manager: "10.0.0.1:2377". */
  readonly address: string;
  readonly sessionId: string;
  readonly periodMs: number;
}

/** Tells a manager that this node lives. */
export interface Heart {
  /** Beats for this session from now on; for none when the node has none. */
  follow(session: BeatSession | undefined): void;
}

export interface HeartParts {
  openLine(address: string): BeatLine;
  /** Whether the agent gets on with its work. A heart that beats on in a dead body would keep its tasks from being replaced. */
  isWell(): boolean;
  readonly clock: Clock;
  readonly log: Pick<Log, "debug">;
}

/** A beat that did not get through is tried again after so long: three missed ones are a death. */
const RETRY_MS = 1_000;

/** Beats at the pace that the manager asks for. It knows nothing of threads: whoever makes it, lets it run where nothing is in its way. */
export class PacedHeart implements Heart {
  readonly #parts: HeartParts;
  #over = new AbortController();

  constructor(parts: HeartParts) {
    this.#parts = parts;
  }

  follow(session: BeatSession | undefined): void {
    this.#over.abort(new Error("another session"));
    this.#over = new AbortController();
    if (session !== undefined) void this.#beat(session, this.#over.signal);
  }

  async #beat({ address, sessionId, periodMs }: BeatSession, over: AbortSignal): Promise<void> {
    const { openLine, isWell, clock, log } = this.#parts;
    const line = openLine(address);
    over.addEventListener("abort", () => line.close(), { once: true });
    let pause = periodMs;
    while (true) {
      await sleep(clock, pause, over).catch(() => undefined);
      if (over.aborted) return;
      if (!isWell()) continue;
      try {
        pause = await line.beat(sessionId);
      } catch (error) {
        if (over.aborted) return;
        log.debug("heartbeat not heard", { manager: address, error: messageOf(error) });
        // The agent hears of it on the session itself, and begins another.
        if (Fault.is(error, "not-found")) return line.close();
        pause = Math.min(pause, RETRY_MS);
      }
    }
  }
}
