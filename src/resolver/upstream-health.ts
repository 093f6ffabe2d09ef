import type { Clock, Instant } from "../lib/index.ts";

/** An upstream asked by one protocol: a server may well be silent by one and not by the other. */
export interface Upstream {
  readonly address: string;
  readonly port?: number;
}

export type Over = "udp" | "tcp";

/** How long one that did not answer is not asked first: doubled each time, up to a minute. */
const FIRST_MS = 1_000;
const LAST_MS = 60_000;
/** Silent upstreams remembered; services that are gone may have named some. */
const REMEMBERED = 256;

interface Silence {
  /** Questions sent earlier say nothing new when they stay without an answer. */
  readonly since: Instant;
  readonly backOffMs: number;
  readonly againAt: Instant;
}

/** Whom to ask. */
export interface Turns {
  /** One after the other. */
  readonly inTurn: readonly Upstream[];
  /** Only to see whether they answer again, while others are asked. */
  readonly beside: readonly Upstream[];
}

/** Remembers which upstreams did not answer, so that only the first question pays for a dead one. */
export class UpstreamHealth {
  readonly #clock: Clock;
  readonly #silent = new Map<string, Silence>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The upstreams in the order given, but those that were silent last. One whose back-off is over is tried again beside the others;
   * that try is the caller's to report. When all were silent, they are asked as if none was.
   */
  turnsOf(upstreams: readonly Upstream[], over: Over): Turns {
    const silent = upstreams.filter((upstream) => this.#silent.has(keyOf(upstream, over)));
    if (silent.length === 0 || silent.length === upstreams.length) return { inTurn: upstreams, beside: [] };
    const beside = silent.filter((upstream) => this.#isDue(upstream, over));
    for (const upstream of beside) this.#postpone(upstream, over);
    const later = silent.filter((upstream) => !beside.includes(upstream));
    return { inTurn: [...upstreams.filter((upstream) => !silent.includes(upstream)), ...later], beside };
  }

  /** It answered, be it by a refusal. */
  answered(upstream: Upstream, over: Over): void {
    this.#silent.delete(keyOf(upstream, over));
  }

  /** A question sent at `askedAt` got no answer. */
  unanswered(upstream: Upstream, over: Over, askedAt: Instant): void {
    const key = keyOf(upstream, over);
    const before = this.#silent.get(key);
    if (before !== undefined && askedAt < before.since) return;
    const backOffMs = Math.min(before === undefined ? FIRST_MS : before.backOffMs * 2, LAST_MS);
    const since = this.#clock.now();
    this.#silent.delete(key);
    this.#silent.set(key, { since, backOffMs, againAt: since + backOffMs });
    const [oldest] = this.#silent.keys();
    if (this.#silent.size > REMEMBERED && oldest !== undefined) this.#silent.delete(oldest);
  }

  #isDue(upstream: Upstream, over: Over): boolean {
    const silence = this.#silent.get(keyOf(upstream, over));
    return silence !== undefined && silence.againAt <= this.#clock.now();
  }

  /** One try at a time: the next is due once this one can have failed. */
  #postpone(upstream: Upstream, over: Over): void {
    const key = keyOf(upstream, over);
    const silence = this.#silent.get(key);
    if (silence !== undefined)
      this.#silent.set(key, { ...silence, againAt: this.#clock.now() + silence.backOffMs * 2 });
  }
}

function keyOf({ address, port }: Upstream, over: Over): string {
  return `${over} ${port ?? ""} ${address}`;
}
