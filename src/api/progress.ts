import { messageOf, Queue } from "../lib/index.ts";
import { progressToWire, streamErrorToWire } from "../wire/index.ts";
import type { PullProgress } from "./backends.ts";
import { jsonLines } from "./json-lines.ts";
import { type ApiResponse, json } from "./route.ts";

/** A pull or push: tells how it goes, and what it came to, as the lines that end the stream. */
export interface ProgressWork {
  begin(onProgress: (step: PullProgress) => void): Promise<readonly unknown[]>;
  /** The one line of a work that ended without a word. */
  readonly ifSilent: unknown;
}

type Ended = { readonly lines: readonly unknown[] } | { readonly error: unknown };

/** The stream of how it goes. What fails before the first word is a plain refusal; later the stream's last line says it. */
export async function progressStream({ begin, ifSilent }: ProgressWork): Promise<ApiResponse> {
  const board = new ProgressBoard();
  const begun = new Promise<void>((resolve) => board.onFirst(resolve));
  const done: Promise<Ended> = begin((step) => board.tell(step))
    .then(
      (lines) => ({ lines }),
      (error: unknown) => ({ error }),
    )
    .finally(() => board.close());
  const early = await Promise.race([begun, done]);
  if (early !== undefined && !board.hasBegun) {
    if ("error" in early) throw early.error;
    return json(200, ifSilent);
  }
  return jsonLines(tellAll(board, done));
}

async function* tellAll(board: ProgressBoard, done: Promise<Ended>): AsyncGenerator<unknown> {
  for await (const step of board.steps()) yield progressToWire(step);
  const result = await done;
  if ("error" in result) yield streamErrorToWire(messageOf(result.error));
  else yield* result.lines;
}

/**
 * Steps between a work and its reader. A slow reader gets the newest of every layer and status, not every one:
 * what waits stays small.
 */
class ProgressBoard {
  readonly #waiting = new Map<string, PullProgress>();
  readonly #wakes = new Queue<undefined>();
  #first: (() => void) | undefined;
  hasBegun = false;

  onFirst(fn: () => void): void {
    this.#first = fn;
  }

  tell(step: PullProgress): void {
    this.hasBegun = true;
    this.#first?.();
    this.#waiting.set(`${step.id} ${step.status}`, step);
    if (this.#wakes.size === 0) this.#wakes.push(undefined);
  }

  close(): void {
    this.#wakes.close();
  }

  async *steps(): AsyncGenerator<PullProgress> {
    for await (const _ of this.#wakes) {
      const steps = [...this.#waiting.values()];
      this.#waiting.clear();
      yield* steps;
    }
  }
}
