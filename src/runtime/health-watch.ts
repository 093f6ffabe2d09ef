import { type Clock, Fault, type Instant, messageOf, sleep, type Timer } from "../lib/index.ts";
import type { ExecResult, Health, ProbeResult } from "./health.ts";
import type { Probe } from "./health-check.ts";

/** How many results are kept (moby daemon/health.go). */
const LOG_ENTRIES = 5;
/** Making a process takes long on a busy machine: that is not the probe's time. */
const START_MS = 30_000;
const FAILED_TO_RUN = -1;

/** Runs a probe's program. An abort kills it; what it wrote so far is then the result. */
export type RunProbe = (
  args: readonly string[],
  signal: AbortSignal,
  onStart: () => void,
) => Promise<ExecResult>;

export interface HealthWatchParts {
  readonly containerId: string;
  readonly probe: Probe;
  readonly startedAt: Instant;
  readonly clock: Clock;
  /** Until the first probe; absent: as the check says. */
  readonly firstMs?: number;
  run: RunProbe;
  /** As it is now. */
  health(): Health;
  take(health: Health): void | Promise<void>;
}

/** Of a container that has just been started. */
export function freshHealth(before: Health | undefined): Health {
  return { status: "starting", failingStreak: 0, log: before?.log ?? [] };
}

/**
 * Probes a running container, one probe after the other, until the signal aborts; rejects with its reason then. Times are counted
 * from the end of the last probe.
 */
export async function watchHealth(parts: HealthWatchParts, signal: AbortSignal): Promise<never> {
  const { clock, probe, startedAt } = parts;
  const pause = (): number => {
    const isStarting = parts.health().status === "starting" && clock.now() - startedAt < probe.startPeriodMs;
    return isStarting ? probe.startIntervalMs : probe.intervalMs;
  };
  for (let ms = parts.firstMs ?? pause(); ; ms = pause()) {
    await sleep(clock, ms, signal);
    const result = await runProbe(parts, signal);
    signal.throwIfAborted();
    if (result !== undefined) await parts.take(afterProbe(parts.health(), { probe, startedAt, result }));
  }
}

/** What a probe's end makes of the health (moby daemon/health.go handleProbeResult). */
export function afterProbe(
  before: Health,
  { probe, startedAt, result }: { probe: Probe; startedAt: Instant; result: ProbeResult },
): Health {
  const log = [...before.log, result].slice(-LOG_ENTRIES);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  const isExcused = before.status === "starting" && result.start - startedAt < probe.startPeriodMs;
  if (isExcused) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= probe.retries ? "unhealthy" : before.status, failingStreak, log };
}

/** Undefined when nothing was learnt of the container: containerd is away. Docker counts that as a failure. */
async function runProbe(parts: HealthWatchParts, signal: AbortSignal): Promise<ProbeResult | undefined> {
  const { clock, probe } = parts;
  const start = clock.now();
  const ended = (exitCode: number, output: string): ProbeResult => ({
    ...{ start, end: clock.now(), exitCode, output },
  });
  const limit = new TimeLimit(
    clock,
    signal,
    `timed out starting health check for container ${parts.containerId}`,
  );
  limit.set(START_MS);
  try {
    const { exitCode, output } = await parts.run(probe.args, limit.signal, () => {
      limit.words = `Health check exceeded timeout (${goDuration(probe.timeoutMs)})`;
      limit.set(probe.timeoutMs);
    });
    if (!limit.isOver) return ended(exitCode, output);
    return ended(FAILED_TO_RUN, output === "" ? limit.words : `${limit.words}: ${output}`);
  } catch (error) {
    if (limit.isOver) return ended(FAILED_TO_RUN, limit.words);
    return Fault.is(error, "unavailable") ? undefined : ended(FAILED_TO_RUN, messageOf(error));
  } finally {
    limit.end();
  }
}

/** Aborts its signal after a time that can be set anew, or with another signal. One lives as long as a probe, and leaves nothing on the other. */
class TimeLimit {
  isOver = false;
  words: string;
  readonly #clock: Clock;
  readonly #outer: AbortSignal;
  readonly #aborter = new AbortController();
  readonly #stop = (): void => this.#aborter.abort(this.#outer.reason);
  #timer: Timer | undefined;

  constructor(clock: Clock, outer: AbortSignal, words: string) {
    this.#clock = clock;
    this.#outer = outer;
    this.words = words;
    outer.addEventListener("abort", this.#stop, { once: true });
  }

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  set(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(ms, () => {
      this.isOver = true;
      this.#aborter.abort();
    });
  }

  end(): void {
    this.#timer?.cancel();
    this.#outer.removeEventListener("abort", this.#stop);
  }
}

/** Milliseconds as Go writes a duration: "1m30s", "1.5s", "500ms". */
export function goDuration(ms: number): string {
  if (ms < 1_000) return ms < 1 ? `${ms * 1_000}µs` : `${ms}ms`;
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${(ms % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
