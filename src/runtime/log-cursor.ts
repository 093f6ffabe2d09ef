import { close, closeSync, fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import type { LogEntry } from "./container.ts";
import { decodeEntry } from "./log-entry.ts";
import { logFilesOf } from "./log-files.ts";

const BLOCK_BYTES = 64 * 1024;
/** No entry is longer: 16 KiB of output, each byte six characters at most in JSON. What is longer is garbage. */
const MAX_LINE_BYTES = 256 * 1024;
const NEWLINE = 10;

const readFd: (
  fd: number,
  block: Buffer,
  offset: number,
  length: number,
  at: number,
) => Promise<{ bytesRead: number }> = promisify(read);

interface OpenLog {
  readonly fd: number;
  /** There when the cursor was made. */
  readonly isOld: boolean;
  offset: number;
  /** Files before it were let go unread. */
  isAfterGap: boolean;
}

/**
 * A place in a log, and the files from there on, held open, so that renaming and removing them is no matter. Files are opened
 * synchronously, in one go, in the process that rotates them: no rotation can come in between.
 */
export class LogCursor {
  readonly #path: string;
  #files: OpenLog[];
  #block: Buffer = Buffer.alloc(BLOCK_BYTES);
  #isSeeking = false;
  #hasGap = false;
  /** Where the newest file ended when the cursor was made. */
  readonly #end: { readonly file: OpenLog | undefined; readonly size: number };

  constructor(path: string) {
    this.#path = path;
    this.#files = logFilesOf(path).flatMap((file) => openLog(file, true));
    const file = this.#files.at(-1);
    this.#end = { file, size: file === undefined ? 0 : fstatSync(file.fd).size };
  }

  /**
   * A fresh file has the log's name. Keeps `maxFiles` behind the one being read; of a reader that is further behind than the log
   * itself reaches, the oldest unread file is let go. Returns whether that happened.
   */
  follow(maxFiles: number): boolean {
    this.#files.push(...openLog(this.#path, false));
    if (this.#isSeeking || this.#files.length <= maxFiles + 1) return false;
    for (const file of this.#files.splice(1, this.#files.length - maxFiles - 1)) closeSync(file.fd);
    const [, next] = this.#files;
    if (next !== undefined) next.isAfterGap = true;
    return true;
  }

  /** Whether something was let go unread between the last entries and those before; once for each time. */
  takeGap(): boolean {
    const hadGap = this.#hasGap;
    this.#hasGap = false;
    return hadGap;
  }

  /** The next entries, a block's worth; empty at the end of the log as it is now. `onlyOld`: as it was in the beginning. */
  async next(onlyOld: boolean): Promise<LogEntry[]> {
    if (this.#files.length === 0 && !onlyOld) this.#files = openLog(this.#path, false);
    for (let file = this.#files[0]; file !== undefined; file = this.#files[0]) {
      const isNewest = this.#files.length === 1;
      this.#hasGap ||= file.isAfterGap;
      file.isAfterGap = false;
      const limit = onlyOld && file === this.#end.file ? this.#end.size : Number.POSITIVE_INFINITY;
      const { lines, isEnd } = await this.#readLines(file, limit);
      const entries = lines.flatMap((line) => decodeEntry(line) ?? []);
      if (entries.length > 0) return entries;
      if (!isEnd) continue;
      if (onlyOld && file === this.#end.file) return [];
      if (isNewest && this.#files.length === 1) return [];
      if (!isNewest) this.#dropFirst();
    }
    return [];
  }

  /** Moves to the entry that is the last but `count - 1` of those that `keep` takes, of what was there in the beginning. */
  async seekTail(count: number, keep: (entry: LogEntry) => boolean): Promise<void> {
    this.#isSeeking = true;
    try {
      const { file: last, size } = this.#end;
      if (last === undefined) return;
      const found = count === 0 ? { file: last, offset: size } : await this.#findTail(count, keep);
      if (found !== undefined) this.#startAt(found.file, found.offset);
    } finally {
      this.#isSeeking = false;
    }
  }

  close(): void {
    for (const file of this.#files) close(file.fd);
    this.#files = [];
  }

  async #findTail(
    count: number,
    keep: (entry: LogEntry) => boolean,
  ): Promise<{ file: OpenLog; offset: number } | undefined> {
    let left = count;
    const old = this.#files.filter(({ isOld }) => isOld).reverse();
    for (const file of old) {
      const end = file === this.#end.file ? this.#end.size : fstatSync(file.fd).size;
      for await (const { line, offset } of linesBackwards(file.fd, end)) {
        const entry = decodeEntry(line);
        if (entry === undefined || !keep(entry)) continue;
        left--;
        if (left === 0) return { file, offset };
      }
    }
    return undefined;
  }

  #dropFirst(): void {
    const file = this.#files.shift();
    if (file !== undefined) closeSync(file.fd);
  }

  #startAt(file: OpenLog, offset: number): void {
    while (this.#files[0] !== undefined && this.#files[0] !== file) this.#dropFirst();
    file.offset = offset;
  }

  /** The whole lines of the next block. `isEnd`: the file has, now, no more of them up to `limit`. */
  async #readLines(file: OpenLog, limit: number): Promise<{ lines: string[]; isEnd: boolean }> {
    const want = Math.min(this.#block.length, limit - file.offset);
    const { bytesRead } =
      want > 0 ? await readFd(file.fd, this.#block, 0, want, file.offset) : { bytesRead: 0 };
    const bytes = this.#block.subarray(0, bytesRead);
    const whole = bytes.lastIndexOf(NEWLINE) + 1;
    if (whole > 0) {
      file.offset += whole;
      return { lines: bytes.subarray(0, whole).toString().split("\n").slice(0, -1), isEnd: false };
    }
    if (bytesRead < this.#block.length) return { lines: [], isEnd: true };
    if (this.#block.length >= MAX_LINE_BYTES) file.offset += bytesRead;
    else this.#block = Buffer.alloc(MAX_LINE_BYTES);
    return { lines: [], isEnd: false };
  }
}

/** The lines of a file that end before `end`, last first. A piece longer than any entry is passed over. */
async function* linesBackwards(
  fd: number,
  end: number,
): AsyncGenerator<{ line: string; offset: number }, void, undefined> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let tail: Buffer = Buffer.alloc(0);
  for (let at = end; at > 0; ) {
    const start = Math.max(0, at - BLOCK_BYTES);
    const { bytesRead } = await readFd(fd, block, 0, at - start, start);
    if (bytesRead < at - start) return;
    let bytes: Buffer = Buffer.concat([block.subarray(0, bytesRead), tail]);
    for (let cut = lineStart(bytes); cut > 0; cut = lineStart(bytes)) {
      yield { line: bytes.subarray(cut).toString(), offset: start + cut };
      bytes = bytes.subarray(0, cut);
    }
    tail = bytes.length > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(bytes);
    at = start;
  }
  if (tail.length > 0) yield { line: tail.toString(), offset: 0 };
}

/** Where the last line of `bytes` begins, its own newline set aside; 0 when that may be before `bytes`. */
function lineStart(bytes: Buffer): number {
  return bytes.length < 2 ? 0 : bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
}

function openLog(path: string, isOld: boolean): OpenLog[] {
  try {
    return [{ fd: openSync(path, "r"), isOld, offset: 0, isAfterGap: false }];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
