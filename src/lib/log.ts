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

/** A log that says nothing, for tests. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};
