import type { Clock, Log, LogFields } from "../lib/index.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log that writes one JSON object a line: `{"time":…,"level":…,"msg":…,…fields}`. */
export function lineLog(
  write: (line: string) => void,
  clock: Clock,
  level: LogLevel = "info",
  base: LogFields = {},
): Log {
  const floor = LOG_LEVELS.indexOf(level);
  const say = (of: LogLevel) => (msg: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(of) < floor) return;
    const time = new Date(clock.now()).toISOString();
    try {
      write(`${JSON.stringify({ time, level: of, msg, ...base, ...fields })}\n`);
    } catch {
      // A full disk under the log must not break what only wanted to tell something.
    }
  };
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    with: (fields) => lineLog(write, clock, level, { ...base, ...fields }),
  };
}
