import { readFile, rename, writeFile } from "node:fs/promises";
import type { Instant } from "../lib/index.ts";
import type { Health } from "./health.ts";

/** What happened to a container so far, as far as containerd does not remember it. */
export interface ContainerHistory {
  readonly startedAt?: Instant;
  readonly finishedAt?: Instant;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  /** As it was when its status changed last. */
  readonly health?: Health;
}

/** Empty when there is none yet, or a crash of the machine spoilt it. */
export async function readHistory(path: string): Promise<ContainerHistory> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return value !== null && typeof value === "object" ? (value as ContainerHistory) : {};
  } catch {
    return {};
  }
}

/** Whole or not at all. */
export async function writeHistory(path: string, history: ContainerHistory): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(history), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
