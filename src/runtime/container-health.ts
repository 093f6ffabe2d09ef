import { aborted, type Clock, type Log, messageOf, type Random, randomFloat } from "../lib/index.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { type ContainerExecs, KILLED } from "./container-exec.ts";
import type { ContainerKeeper } from "./container-keeper.ts";
import { isAlive } from "./exec-session.ts";
import type { ExecResult, Health } from "./health.ts";
import { freshHealth, watchHealth } from "./health-watch.ts";

export interface HealthsParts {
  readonly keeper: ContainerKeeper;
  readonly execs: ContainerExecs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How long news of a container's end may take: a probe that was killed has most likely died with it. */
const NEWS_MS = 1_000;

/** Probes each running container that has a health check. */
export class ContainerHealths {
  readonly #parts: HealthsParts;
  readonly #watches = new Map<
    ContainerEntry,
    { readonly stop: AbortController; readonly done: Promise<void> }
  >();
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(parts: HealthsParts) {
    this.#parts = parts;
  }

  /**
   * The container runs: from now, or (`isFound`) since the time of an earlier daemon. A found one keeps its health until a probe says
   * otherwise, and its first probe comes at some time within the interval: not all of a node's containers are probed at once.
   */
  running(entry: ContainerEntry, isFound: boolean): void {
    const { clock, log, random } = this.#parts;
    const { probe } = entry.record;
    if (probe === undefined || this.#isClosed || this.#watches.has(entry)) return;
    const stop = new AbortController();
    const done = watchHealth(
      {
        ...{ containerId: entry.id, probe, clock, startedAt: entry.history.startedAt ?? clock.now() },
        ...(isFound && { firstMs: randomFloat(random) * probe.intervalMs }),
        run: (args, signal, onStart) => this.#probe(entry, args, signal, onStart),
        health: () => entry.history.health ?? freshHealth(undefined),
        take: (health) => this.#take(entry, stop.signal, health),
      },
      stop.signal,
    ).catch((error: unknown) => {
      if (!stop.signal.aborted)
        log.error("health not watched", { container: entry.id, error: messageOf(error) });
    });
    this.#watches.set(entry, { stop, done });
  }

  /** It runs no more, or is not ours any more. */
  ended(entry: ContainerEntry): void {
    const watch = this.#watches.get(entry);
    if (watch === undefined) return;
    this.#watches.delete(entry);
    watch.stop.abort();
    const done = watch.done.then(() => void this.#ending.delete(done));
    this.#ending.add(done);
  }

  /** Ends every probe that runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entry of [...this.#watches.keys()]) this.ended(entry);
    await Promise.all(this.#ending);
  }

  async #probe(
    entry: ContainerEntry,
    args: readonly string[],
    signal: AbortSignal,
    onStart: () => void,
  ): Promise<ExecResult> {
    try {
      const result = await this.#parts.execs.run(entry, { args }, signal, onStart);
      if (result.exitCode === KILLED) await this.#news(signal);
      return result;
    } catch (error) {
      if (!isAlive(entry.pid)) await this.#news(signal);
      throw error;
    }
  }

  /** Resolves when it is known that the container has ended, or most likely has not. */
  async #news(signal: AbortSignal): Promise<void> {
    let timer: ReturnType<Clock["after"]> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(NEWS_MS, resolve);
    });
    await Promise.race([late, aborted(signal)]);
    timer?.cancel();
  }

  async #take(entry: ContainerEntry, stop: AbortSignal, health: Health): Promise<void> {
    const { keeper } = this.#parts;
    await keeper.locked(entry.id, async () => {
      if (!stop.aborted) await keeper.healthIs(entry, health);
    });
  }
}
