/** Trying again: what the app depends on may not be up yet, or be gone for a while. */

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits before a next try: 100 ms, doubling, up to 2 s. */
export function backoff(tries: number): number {
  return Math.min(100 * 2 ** Math.min(tries, 10), 2000);
}

/**
 * Does something until it succeeds, or until `goOn` says no: then its last error is thrown. Each new reason
 * for a failure is logged once.
 */
export async function untilDone<T>(what: string, action: () => Promise<T>, goOn: () => boolean): Promise<T> {
  let said = "";
  for (let tries = 0; ; tries++) {
    try {
      return await action();
    } catch (error) {
      if (!goOn()) throw error;
      const reason = reasonOf(error);
      if (reason !== said) console.error(`${what}: ${reason}; trying again`);
      said = reason;
      await pause(backoff(tries));
    }
  }
}

/** An error in words; Node's refused connections to several addresses have none of their own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(", ");
  if (!(error instanceof Error)) return String(error);
  return error.message || error.name;
}
