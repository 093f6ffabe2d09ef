import { Fault, messageOf, Queue } from "../../lib/index.ts";
import { progressToWire, streamErrorToWire } from "../../wire/index.ts";
import type { Backends, PullProgress } from "../backends.ts";
import { jsonLines } from "../json-lines.ts";
import { registryAuthOf } from "../registry-auth.ts";
import { type ApiRequest, type ApiResponse, json } from "../route.ts";

/** POST /images/create: pulls an image and tells how it goes. What fails before the first word is a plain refusal. */
export async function pull(request: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  const ref = imageAsked(request.query);
  const auth = registryAuthOf(request.headers);
  const platform = request.query.get("platform") ?? "";
  const board = new ProgressBoard();
  const begun = new Promise<void>((resolve) => board.onFirst(resolve));
  const done = images
    .pull(ref, {
      ...(auth !== undefined && { auth }),
      ...(platform !== "" && { platform }),
      onProgress: (step) => board.tell(step),
      signal: request.signal,
    })
    .then(
      () => ({ ok: true as const }),
      (error: unknown) => ({ ok: false as const, error }),
    )
    .finally(() => board.close());
  const early = await Promise.race([begun, done]);
  if (early !== undefined && !board.hasBegun) {
    if (early.ok) return json(200, { status: `Status: Image is up to date for ${ref}` });
    throw early.error;
  }
  return jsonLines(tellAll(board, done));
}

async function* tellAll(
  board: ProgressBoard,
  done: Promise<{ ok: true } | { ok: false; error: unknown }>,
): AsyncGenerator<unknown> {
  for await (const step of board.steps()) yield progressToWire(step);
  const result = await done;
  if (!result.ok) yield streamErrorToWire(messageOf(result.error));
}

/** fromImage=library/redis&tag=3.2, or tag=sha256:…; no tag is the backend's default. */
function imageAsked(query: URLSearchParams): string {
  if (query.get("fromSrc")) {
    throw new Fault(
      "unsupported",
      "making an image from an archive of files (docker import) is not supported yet",
    );
  }
  const [name, tag] = [query.get("fromImage") ?? "", query.get("tag") ?? ""];
  if (tag === "") return name;
  return `${name}${tag.includes(":") ? "@" : ":"}${tag}`;
}

/**
 * Steps between a pull and its reader. A slow reader gets the newest of every layer and status, not every one:
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
