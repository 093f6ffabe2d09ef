/** What a log line may carry: plain values only, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Constant message, fields by glossary name: `log.info("task assigned", { task: id, node: id })`. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose every line carries `fields` too. */
  with(fields: LogFields): Log;
}

/** A line on its way to a log elsewhere. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** A log in a thread or process that has none: hands every line to `say`. */
export function relayLog(say: (line: LogLine) => void, always: LogFields = {}): Log {
  const line =
    (level: LogLine["level"]) =>
    (message: string, fields: LogFields = {}) =>
      say({ level, message, fields: { ...always, ...fields } });
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    with: (fields) => relayLog(say, { ...always, ...fields }),
  };
}

/** A log that says nothing, for tests. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};
