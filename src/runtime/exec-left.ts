import { readdir } from "node:fs/promises";
import type { Clock, Log } from "../lib/index.ts";
import { EXEC_PREFIX } from "./container-folder.ts";
import { FifoReader } from "./log-pump.ts";

export interface LeftParts {
  /** A folder a container: its FIFOs. */
  readonly runDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Reads what the programs of a killed daemon still write, and drops it, until the returned function is called. A shim that was
 * starting one waits for somebody to open its FIFO, and everything about that container waits with it, for half a minute.
 */
export async function readLeftOutput({ runDir, clock, log }: LeftParts): Promise<() => void> {
  const ids = await readdir(runDir).catch(() => []);
  const paths = await Promise.all(
    ids.map(async (id) => {
      const names = await readdir(`${runDir}/${id}`).catch(() => []);
      return names.filter((name) => name.startsWith(EXEC_PREFIX)).map((name) => `${runDir}/${id}/${name}`);
    }),
  );
  const readers = paths.flat().flatMap((path) => {
    try {
      return [new FifoReader({ path, stream: "stdout", isHeldOpen: true, clock, log, take: () => {} })];
    } catch {
      // It is gone, or cannot be opened: then its program cannot be waiting for it either.
      return [];
    }
  });
  return () => {
    for (const reader of readers) reader.close();
  };
}
