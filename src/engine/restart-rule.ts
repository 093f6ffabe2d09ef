import type { RestartRule } from "../model/index.ts";

/** How a container's last run ended, and what came before it. */
export interface EndedRun {
  readonly rule: RestartRule;
  readonly exitCode: number;
  /** Somebody told it to stop. */
  readonly byHand: boolean;
  /** How often it has been started anew since somebody last did it by hand. */
  readonly restarts: number;
  readonly ranMs: number;
  /** The wait before this run; 0: none. */
  readonly lastWaitMs: number;
}

/** moby restartmanager/restartmanager.go: backoffMultiplier, defaultTimeout, maxRestartTimeout, and when a run counts as long. */
const FIRST_WAIT_MS = 100;
const FACTOR = 2;
const MAX_WAIT_MS = 60_000;
const LONG_RUN_MS = 10_000;

/** How long to wait before it is started anew; undefined: it is not. */
export function planRestart({
  rule,
  exitCode,
  byHand,
  restarts,
  ranMs,
  lastWaitMs,
}: EndedRun): number | undefined {
  if (byHand || !wantsMore(rule, exitCode, restarts)) return undefined;
  if (lastWaitMs === 0 || ranMs >= LONG_RUN_MS) return FIRST_WAIT_MS;
  return Math.min(lastWaitMs * FACTOR, MAX_WAIT_MS);
}

/** Whether a daemon that comes up starts it, when it does not run. */
export function startsWithDaemon(
  rule: RestartRule,
  {
    exitCode,
    byHand,
    restarts,
  }: Pick<EndedRun, "byHand" | "restarts"> & { readonly exitCode: number | undefined },
): boolean {
  if (rule.name === "always") return true;
  return exitCode !== undefined && !byHand && wantsMore(rule, exitCode, restarts);
}

function wantsMore({ name, most }: RestartRule, exitCode: number, restarts: number): boolean {
  if (name === "on-failure") return exitCode !== 0 && (most === 0 || restarts < most);
  return name !== "no";
}
