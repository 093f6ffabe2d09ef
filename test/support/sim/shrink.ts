import type { History } from "./scenario.ts";
import type { Step } from "./steps.ts";

export interface Shrunk {
  readonly history: History;
  readonly broken: string;
}

/** What a history breaks, or undefined. */
export type Verdict = (
  history: History,
) => Promise<{ readonly broken: string | undefined; readonly livedMs: number }>;

/** When a search ends, found or not. */
export interface Bounds {
  readonly tries: number;
  readonly seconds: number;
}

const BOUNDS: Bounds = { tries: 400, seconds: 60 };

/**
 * The shortest history that can be found which still breaks something alike: first cut off after the break, then without larger
 * and smaller runs of its steps (delta debugging), then with the pauses between them shorter.
 */
export async function shrink(first: Shrunk, verdict: Verdict, bounds: Bounds = BOUNDS): Promise<Shrunk> {
  const search = new Search(first, verdict, bounds);
  await search.dropSteps();
  await search.shortenPauses();
  await search.dropSteps();
  return search.best;
}

class Search {
  best: Shrunk;
  readonly #verdict: Verdict;
  readonly #end: number;
  #left: number;

  constructor(first: Shrunk, verdict: Verdict, { tries, seconds }: Bounds) {
    this.best = first;
    this.#verdict = verdict;
    this.#left = tries;
    this.#end = performance.now() + seconds * 1_000;
  }

  async dropSteps(): Promise<void> {
    for (let size = Math.ceil(this.best.history.steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = this.best.history.steps.length - size; at > -size; at -= size) {
        const { steps } = this.best.history;
        const kept = steps.filter((_, i) => i < at || i >= at + size);
        if (kept.length < steps.length) await this.#try(kept, this.best.history.forMs);
      }
    }
  }

  /** Takes time out between steps: first much, then less. */
  async shortenPauses(): Promise<void> {
    for (let i = this.best.history.steps.length; i >= 0; i--) {
      for (const share of [1, 0.5]) {
        const { steps, forMs } = this.best.history;
        const before = steps[i - 1]?.atMs ?? 0;
        const after = steps[i]?.atMs ?? forMs;
        const out = Math.round((after - before - 1_000) * share);
        if (out < 1_000) continue;
        const moved = steps.map((step, j): Step => (j >= i ? { ...step, atMs: step.atMs - out } : step));
        if (await this.#try(moved, forMs - out)) break;
      }
    }
  }

  async #try(steps: readonly Step[], forMs: number): Promise<boolean> {
    if (this.#left <= 0 || performance.now() > this.#end) return false;
    this.#left -= 1;
    const history = { ...this.best.history, steps, forMs };
    const { broken, livedMs } = await this.#verdict(history);
    if (broken === undefined || !isAlike(broken, this.best.broken)) return false;
    this.best = { history: cutAfter(history, livedMs), broken };
    return true;
  }
}

/** Without what would have come after the break. */
export function cutAfter(history: History, livedMs: number): History {
  const forMs = Math.min(history.forMs, livedMs + 1_000);
  return { ...history, steps: history.steps.filter(({ atMs }) => atMs <= livedMs), forMs };
}

/** The same law broken, whatever the names and numbers in the sentence. */
function isAlike(a: string, b: string): boolean {
  const words = (text: string) => text.replaceAll(/[0-9a-z]{25}|[a-z]+[.@]?n?\d+'*|\d+/g, "_").slice(0, 40);
  return words(a) === words(b);
}
