import type { LogEntry } from "./container.ts";
import { formatNanos, parseNanos } from "./log-time.ts";

/** An entry as Docker's json-file driver writes it, its newline included. Bytes that are no UTF-8 become U+FFFD, as there. */
export function encodeEntry({ at, stream, line }: LogEntry): string {
  const log = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString();
  return `{"log":${JSON.stringify(log)},"stream":"${stream}","time":"${formatNanos(at)}"}\n`;
}

/** The entry in one line of a log file; undefined when the line is none (a torn write, a disk's zeros). */
export function decodeEntry(text: string): LogEntry | undefined {
  const said = parseJson(text);
  const at = typeof said?.["time"] === "string" ? parseNanos(said["time"]) : undefined;
  const stream = said?.["stream"];
  const line = said?.["log"];
  if (at === undefined || typeof line !== "string") return undefined;
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  return { at, stream, line: Buffer.from(line) };
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
