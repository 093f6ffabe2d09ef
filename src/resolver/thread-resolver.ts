import { Worker } from "node:worker_threads";
import type { NameFacts } from "../dns/index.ts";
import { type Clock, type Log, type LogLine, messageOf, sleep } from "../lib/index.ts";
import { type FactsChange, KnownFacts } from "./known-facts.ts";
import type { ResolverThreadData } from "./resolver-thread.ts";

export interface ThreadResolverParts extends ResolverThreadData {
  readonly clock: Clock;
  readonly log: Log;
  /** The thread's program, where it is not the built one beside this file. */
  readonly thread?: URL;
}

/** As built: threads do not run TypeScript. */
const BUILT = new URL("./resolver-thread.js", import.meta.url);

/** A message lives for a fraction of a millisecond: a large space for the young would only be resident memory. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 };

/** Before another thread is started in the place of one that died: longer each time, unless it lived for a while. */
const RESTART_MS = { first: 200, last: 10_000 } as const;

/**
 * The node's resolver in a thread of its own: whatever keeps the daemon busy, names are answered. It listens in the network
 * namespace of the thread that calls `run`. A thread that died is started again: it holds nothing but what it was told.
 */
export class ThreadResolver {
  readonly #parts: ThreadResolverParts;
  #facts: NameFacts | undefined;
  #known = new KnownFacts();
  #thread: Worker | undefined;

  constructor(parts: ThreadResolverParts) {
    this.#parts = parts;
  }

  /** What it answers by from now on. */
  tell(facts: NameFacts): void {
    this.#facts = facts;
    this.#say();
  }

  /** Answers until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let waitMs: number = RESTART_MS.first;
    while (!signal.aborted) {
      const begun = clock.now();
      const reason = await this.#runThread(signal);
      if (signal.aborted) return;
      log.error("resolver's thread has died, starting another", { reason });
      if (clock.now() - begun > RESTART_MS.last) waitMs = RESTART_MS.first;
      await sleep(clock, waitMs, signal).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, RESTART_MS.last);
    }
  }

  /** One thread, from its start until the signal aborts or it has died; why it died. */
  async #runThread(signal: AbortSignal): Promise<string> {
    const { address, port, upstreams, upstreamPort, log } = this.#parts;
    const workerData = { address, port, upstreams, upstreamPort } satisfies ResolverThreadData;
    const thread = new Worker(this.#parts.thread ?? BUILT, { workerData, resourceLimits });
    thread.on("message", ({ level, message, fields }: LogLine) => log[level](message, fields));
    const died = new Promise<string>((resolve) => {
      thread.once("error", (error) => resolve(messageOf(error)));
      thread.once("exit", (code) => resolve(`ended with ${code}`));
    });
    const stop = () => void thread.terminate();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    this.#thread = thread;
    this.#known = new KnownFacts();
    this.#say();
    try {
      return await died;
    } finally {
      this.#thread = undefined;
      signal.removeEventListener("abort", stop);
      await thread.terminate();
    }
  }

  #say(): void {
    if (this.#thread === undefined || this.#facts === undefined) return;
    const change: FactsChange | undefined = this.#known.changeTo(this.#facts);
    if (change !== undefined) this.#thread.postMessage(change);
  }
}
