/** Something long-lived: runs until the signal aborts or it fails. */
export type Run = (signal: AbortSignal) => Promise<void>;

/**
 * Runs every part until `signal` aborts or one part ends by itself; then stops the others, waits for all,
 * and rethrows the first failure. No part can die unseen.
 */
export async function runGroup(parts: readonly Run[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  let failure: { error: unknown } | undefined;
  await Promise.all(
    parts.map(async (part) => {
      try {
        await part(all);
      } catch (error) {
        if (!all.aborted) failure ??= { error };
      } finally {
        stop.abort(new Error("a part of the group ended"));
      }
    }),
  );
  if (failure !== undefined) throw failure.error;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
