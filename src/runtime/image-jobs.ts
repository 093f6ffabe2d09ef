import { type OnProgress, ProgressHub } from "./image-progress.ts";

/** What a job's work gets: when to stop, and whom to tell. */
export type Work<T> = (signal: AbortSignal, tell: OnProgress) => Promise<T>;

export interface Joining {
  readonly onProgress?: OnProgress | undefined;
  /** Ends only this caller's waiting. */
  readonly signal?: AbortSignal | undefined;
}

interface Job<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  readonly hub: ProgressHub;
  waiting: number;
}

/** Work by key: who asks for a key that is being worked on shares result and progress. Stops when nobody waits any more. */
export class SharedJobs<T> {
  readonly #jobs = new Map<string, Job<T>>();

  /** The result of the key's job, begun by the first who asks. */
  async run(key: string, work: Work<T>, { onProgress, signal }: Joining = {}): Promise<T> {
    signal?.throwIfAborted();
    const known = this.#jobs.get(key);
    const hub = known?.hub ?? new ProgressHub();
    const deafen = onProgress && hub.listen(onProgress);
    const job = known ?? this.#begin(key, work, hub);
    job.waiting++;
    const gone = abortedOf(signal);
    try {
      return await Promise.race([job.result, gone.promise]);
    } finally {
      gone.forget();
      deafen?.();
      job.waiting--;
      if (job.waiting === 0) this.#drop(key, job);
    }
  }

  #begin(key: string, work: Work<T>, hub: ProgressHub): Job<T> {
    const stop = new AbortController();
    const result = work(stop.signal, (event) => hub.tell(event));
    // Whoever waits sees the failure; when nobody waits any more, nobody is to be told.
    result.catch(() => {});
    const job = { result, stop, hub, waiting: 0 };
    this.#jobs.set(key, job);
    return job;
  }

  #drop(key: string, job: Job<T>): void {
    if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    job.stop.abort(new Error("nobody waits for it any more"));
  }
}

function abortedOf(signal: AbortSignal | undefined): { promise: Promise<never>; forget: () => void } {
  let onAbort = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  return { promise, forget: () => signal?.removeEventListener("abort", onAbort) };
}
