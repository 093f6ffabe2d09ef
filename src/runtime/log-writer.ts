import { readFileSync } from "node:fs";
import type { LogEntry } from "./container.ts";
import { decodeEntry, encodeEntry } from "./log-entry.ts";
import { LogFile, type LogFileLimits } from "./log-file.ts";
import { LogJournal } from "./log-journal.ts";
import { cutLines } from "./log-lines.ts";

export type LogStream = LogEntry["stream"];

export interface LogWriterParts extends LogFileLimits {
  readonly path: string;
  /** The time of the next entry, in nanoseconds. */
  stamp(): bigint;
  /** A fresh file has the log's name and is still empty. */
  onRotate(): void;
}

/** Output is taken in parts of this size; a journal has room for two. */
const PART_BYTES = 16 * 1024;
const SHORT_BYTES = 2048;
const NEWLINE = 10;
const STREAMS = ["stdout", "stderr"] as const;
const NOTHING: Buffer = Buffer.alloc(0);

/** Turns a container's output, as it comes, into log entries. What is unfinished, or being written, is in a journal beside the log. */
export class LogWriter {
  readonly #parts: LogWriterParts;
  readonly #file: LogFile;
  readonly #journals: Readonly<Record<LogStream, LogJournal>>;
  /** What is being appended, for the journal of its stream, should the log rotate in the middle. */
  #writing: { stream: LogStream; pieces: readonly Buffer[]; rest: Buffer } | undefined;

  /** Goes on with the log at `path`, and with what an earlier writer left in its journals. */
  constructor(parts: LogWriterParts) {
    this.#parts = parts;
    this.#journals = {
      stdout: new LogJournal(`${parts.path}.stdout-rest`),
      stderr: new LogJournal(`${parts.path}.stderr-rest`),
    };
    this.#file = new LogFile({
      ...parts,
      beforeRotate: (written) => this.#beforeRotate(written),
      afterRotate: () => this.#afterRotate(),
    });
    const left = STREAMS.map((stream) => this.#unlogged(stream));
    STREAMS.forEach((stream, i) => void this.#journals[stream].put(left[i] ?? NOTHING, this.#file.size));
    for (const stream of STREAMS) this.#append(stream, this.#journals[stream].bytes);
  }

  write(stream: LogStream, chunk: Buffer): void {
    const journal = this.#journals[stream];
    for (let at = 0; at < chunk.length; at += PART_BYTES) {
      const part = chunk.subarray(at, at + PART_BYTES);
      const bytes = journal.bytes.length > 0 ? Buffer.concat([journal.bytes, part]) : part;
      try {
        if (!isShort(part) || journal.bytes.length > 0) journal.put(bytes, this.#file.size);
      } finally {
        this.#append(stream, bytes);
      }
    }
  }

  /** The stream has ended: an unfinished line is an entry too. */
  finish(stream: LogStream): void {
    const journal = this.#journals[stream];
    if (journal.bytes.length > 0) this.#appendPieces(stream, [journal.bytes], NOTHING);
  }

  close(): void {
    this.#file.close();
    for (const journal of Object.values(this.#journals)) journal.close();
  }

  #append(stream: LogStream, bytes: Buffer): void {
    const { pieces, rest } = cutLines(bytes);
    const isKept = this.#journals[stream].bytes.length === bytes.length;
    if (pieces.length > 0 || !isKept) this.#appendPieces(stream, pieces, rest);
  }

  #appendPieces(stream: LogStream, pieces: readonly Buffer[], rest: Buffer): void {
    this.#writing = { stream, pieces, rest };
    try {
      this.#file.append(pieces.map((line) => encodeEntry({ at: this.#parts.stamp(), stream, line })));
    } finally {
      this.#writing = undefined;
      this.#journals[stream].put(rest, this.#file.size);
    }
  }

  /** What of the batch is in the full file is done with: nobody will look for it in the fresh one. */
  #beforeRotate(written: number): void {
    if (this.#writing === undefined) return;
    const { stream, pieces, rest } = this.#writing;
    this.#journals[stream].put(Buffer.concat([...pieces.slice(written), rest]), this.#file.size);
  }

  /** All that the journals hold is to be looked for in the fresh file from now on. */
  #afterRotate(): void {
    for (const journal of Object.values(this.#journals)) journal.put(journal.bytes, 0);
    this.#parts.onRotate();
  }

  /** What an earlier writer kept of a stream and had not written to the log. */
  #unlogged(stream: LogStream): Buffer {
    const saved = this.#journals[stream].load();
    if (saved === undefined) return NOTHING;
    const written = countEntries(this.#parts.path, saved.offset, stream);
    const { pieces, rest } = cutLines(saved.bytes);
    return written > pieces.length ? NOTHING : Buffer.concat([...pieces.slice(written), rest]);
  }
}

/** Whole lines that go to the log in one short write: as quick as one to the journal, which makes that one needless. */
function isShort(part: Buffer): boolean {
  return part.length <= SHORT_BYTES && part.at(-1) === NEWLINE;
}

/** The entries of a stream in the newest file from `offset` on. */
function countEntries(path: string, offset: number, stream: LogStream): number {
  const lines = readFileSync(path).subarray(offset).toString().split("\n");
  return lines.filter((line) => decodeEntry(line)?.stream === stream).length;
}
