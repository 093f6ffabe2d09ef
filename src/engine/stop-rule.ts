import { Fault } from "../lib/index.ts";
import type { ContainerState } from "../runtime/index.ts";

/** Docker's patience with a stop signal. */
export const DEFAULT_GRACE_MS = 10_000;

/** Docker's `kill` of these keeps the restart rule from starting it anew. */
export function isEnd(signal: string): boolean {
  return /^(SIG)?(KILL|TERM|INT|QUIT)$|^(9|15|2|3)$/i.test(signal);
}

/** Docker's words for one that cannot be removed as it is. */
export function stillRuns({ name, paused }: ContainerState): Fault {
  const what = paused === true ? "paused: unpause the container" : "running: stop the container";
  return new Fault(
    "conflict",
    `cannot remove container "/${name}": container is ${what} before removing or force remove`,
  );
}
