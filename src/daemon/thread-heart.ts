import { Worker } from "node:worker_threads";
import type { NodeIdentity } from "../identity/index.ts";
import { type Clock, type Log, sleep } from "../lib/index.ts";
import type { BeatSession, Heart } from "../rpc/index.ts";
import type { FromHeart, ToHeart } from "./heart-thread.ts";

export interface ThreadHeartParts {
  /** Whom the node presents itself as at first. */
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often the heart is told that the daemon's event loop turns. */
const WELL_MS = 1_000;

/** As built: threads do not run TypeScript. */
const THREAD_URL = new URL("./heart-thread.js", import.meta.url);

/** A heart needs little, and a thread with room takes it. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** A heart in a thread of its own, with a connection of its own: whatever keeps the daemon busy, the node is seen to live. */
export class ThreadHeart implements Heart {
  readonly #parts: ThreadHeartParts;
  #identity: NodeIdentity;
  #session: BeatSession | undefined;
  #thread: Worker | undefined;

  constructor(parts: ThreadHeartParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
  }

  follow(session: BeatSession | undefined): void {
    this.#session = session;
    this.#tell({ kind: "follow", session });
  }

  /** A renewed certificate: the heart connects anew with it. */
  setIdentity(identity: NodeIdentity): void {
    this.#identity = identity;
    this.#tell({ kind: "identity", identity });
  }

  /** Runs the thread until the signal aborts; fails when the thread dies. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const thread = new Worker(THREAD_URL, { resourceLimits });
    this.#thread = thread;
    const died = new Promise<never>((_, reject) => {
      thread.once("error", reject);
      thread.once("exit", (code) => reject(new Error(`the heart's thread ended with ${code}`)));
    });
    thread.on("message", ({ message, fields }: FromHeart) => log.debug(message, fields));
    this.#tell({ kind: "identity", identity: this.#identity });
    this.#tell({ kind: "follow", session: this.#session });
    try {
      while (!signal.aborted) {
        this.#tell({ kind: "well" });
        await Promise.race([sleep(clock, WELL_MS, signal).catch(() => undefined), died]);
      }
    } finally {
      this.#thread = undefined;
      await thread.terminate();
    }
  }

  #tell(message: ToHeart): void {
    this.#thread?.postMessage(message);
  }
}
