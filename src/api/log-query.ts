import { Fault } from "../lib/index.ts";
import { formatLogTime, parseTime } from "../wire/index.ts";
import type { LogLine, LogQuery } from "./backends.ts";
import { type ApiResponse, flag, stream } from "./route.ts";
import { frame, MULTIPLEXED, RAW } from "./stdcopy.ts";
import { compareVersions } from "./versions.ts";

/** The query of a logs request, in Docker's words: follow, stdout, stderr, tail ("all" or a number), since, until. */
export function parseLogQuery(query: URLSearchParams): LogQuery {
  const [stdout, stderr] = [flag(query, "stdout"), flag(query, "stderr")];
  if (!stdout && !stderr) throw new Fault("invalid", "Bad parameters: you must choose at least one stream");
  const tail = tailOf(query.get("tail") ?? "");
  const since = timeOf(query, "since");
  const until = timeOf(query, "until");
  return {
    follow: flag(query, "follow"),
    stdout,
    stderr,
    ...(tail !== undefined && { tail }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
}

/** As Docker: what is no number, or below zero, means all. */
function tailOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Nanoseconds since 1970; undefined when absent or "0", which the CLI sends for "no bound". */
export function timeOf(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name) ?? "";
  if (text === "" || text === "0") return undefined;
  const nanos = parseTime(text);
  if (nanos === undefined) throw new Fault("invalid", `invalid value for "${name}": ${text} is no time`);
  return nanos;
}

export interface LogForm {
  /** A terminal's output has one stream and no frames. */
  readonly tty: boolean;
  readonly timestamps: boolean;
  /** The request's API version: content types came with 1.42. */
  readonly version: string;
}

/** Log lines as the CLI reads them. `prefix` is what stands before the line, after its time. */
export function logStream<T extends LogLine>(
  lines: AsyncIterable<T>,
  form: LogForm,
  prefix: (line: T) => string = () => "",
): ApiResponse {
  const type = !form.tty && compareVersions(form.version, "1.42") >= 0 ? MULTIPLEXED : RAW;
  return stream(type, encode(lines, form, prefix));
}

async function* encode<T extends LogLine>(
  lines: AsyncIterable<T>,
  { tty, timestamps }: LogForm,
  prefix: (line: T) => string,
): AsyncGenerator<Uint8Array> {
  for await (const line of lines) {
    const head = `${timestamps ? `${formatLogTime(line.at)} ` : ""}${prefix(line)}`;
    const payload = head === "" ? line.line : Buffer.concat([Buffer.from(head), line.line]);
    yield tty ? payload : frame(line.stream, payload);
  }
}
