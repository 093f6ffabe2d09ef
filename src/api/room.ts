import { once } from "node:events";
import type { Writable } from "node:stream";

/** Resolves when there is room for more in the stream, or it is gone. */
export async function roomIn(stream: Writable): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]);
  } catch {
    // It broke: nobody takes any more of it.
  } finally {
    over.abort();
  }
}
