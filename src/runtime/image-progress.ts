import type { Clock } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";

/** One line of a pull's or push's story, in the words of Docker's progress stream (moby pkg/jsonmessage). Bytes. */
export interface ImageProgress {
  readonly status: string;
  /** The tag or the layer it is about. */
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export type OnProgress = (event: ImageProgress) => void;

/** Between two lines of one layer that tell how far it is. */
const TELL_EVERY_MS = 100;

/** The 12 characters by which Docker's CLI shows a digest. */
export function shortId(digest: Digest): string {
  return digest.slice("sha256:".length, "sha256:".length + 12);
}

/** Tells the progress of one layer, no faster than a terminal can use it. */
export class LayerProgress {
  readonly #tell: OnProgress;
  readonly #clock: Clock;
  readonly #id: string;
  readonly #total: number;
  #next = 0;

  constructor(tell: OnProgress, clock: Clock, layer: { readonly digest: Digest; readonly size: number }) {
    this.#tell = tell;
    this.#clock = clock;
    this.#id = shortId(layer.digest);
    this.#total = layer.size;
  }

  say(status: string): void {
    this.#tell({ status, id: this.#id, progressDetail: {} });
  }

  /** So many of its bytes are through. */
  moved(status: "Downloading" | "Pushing", current: number): void {
    const now = this.#clock.now();
    if (now < this.#next && current < this.#total) return;
    this.#next = now + TELL_EVERY_MS;
    this.#tell({ status, id: this.#id, progressDetail: { current, total: this.#total } });
  }

  extracting(): void {
    const detail = { current: this.#total, total: this.#total };
    this.#tell({ status: "Extracting", id: this.#id, progressDetail: detail });
  }
}

/** Passes each line to all who listen; one who comes late first gets the last line of every id. */
export class ProgressHub {
  readonly #listeners = new Set<OnProgress>();
  readonly #last = new Map<string, ImageProgress>();

  tell(event: ImageProgress): void {
    if (event.id !== undefined) this.#last.set(event.id, event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Returns how to stop listening. */
  listen(listener: OnProgress): () => void {
    for (const event of this.#last.values()) listener(event);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
