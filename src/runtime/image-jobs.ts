/** What a job's work gets: when to stop. */
export type Work<T> = (signal: AbortSignal) => Promise<T>;

interface Job<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}

/** Work by key: who asks for a key that is being worked on shares the result. Stops when nobody waits any more. */
export class SharedJobs<T> {
  readonly #jobs = new Map<string, Job<T>>();

  /** The result of the key's job, begun by the first who asks. `signal` ends only this caller's waiting. */
  async run(key: string, work: Work<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const job = this.#jobs.get(key) ?? this.#begin(key, work);
    job.waiting++;
    const gone = abortedOf(signal);
    try {
      return await Promise.race([job.result, gone.promise]);
    } finally {
      gone.forget();
      job.waiting--;
      if (job.waiting === 0) this.#drop(key, job);
    }
  }

  #begin(key: string, work: Work<T>): Job<T> {
    const stop = new AbortController();
    const result = work(stop.signal);
    // Whoever waits sees the failure; when nobody waits any more, nobody is to be told.
    result.catch(() => {});
    const job = { result, stop, waiting: 0 };
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
