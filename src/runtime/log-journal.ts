import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

const NEWLINE = 10;

/** Output of one stream that an earlier daemon had read, and the size of the log's newest file when it began. */
export interface Unlogged {
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * One stream's output that is read but not yet, or perhaps not yet, in the log: `<decimal offset>\n<bytes>`, empty when
 * there is none. It holds unfinished lines, and output for as long as it takes to write it to the log, so that a killed daemon has not
 * taken it out of the pipe for nothing. The stream's entries in the log from `offset` on are the first of the lines in `bytes`.
 * A rotation sets the offset to 0 before it writes; an offset beyond the end of the newest file means that the daemon was
 * killed just then.
 */
export class LogJournal {
  readonly #path: string;
  #fd: number | undefined;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** What an earlier daemon left here. */
  load(): Unlogged | undefined {
    const text = readIfThere(this.#path);
    const newline = text?.indexOf(NEWLINE) ?? -1;
    if (text === undefined || newline === -1) return undefined;
    const offset = text.subarray(0, newline).toString();
    return /^\d+$/.test(offset) ? { offset: Number(offset), bytes: text.subarray(newline + 1) } : undefined;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Keeps `bytes`, and nothing else, as output that begins where the log is `offset` bytes long. */
  begin(bytes: Buffer, offset: number): void {
    this.#bytes = Buffer.from(bytes);
    if (bytes.length === 0 && this.#fd === undefined) return;
    const fd = this.#open();
    ftruncateSync(fd, 0);
    if (bytes.length > 0) writeSync(fd, Buffer.concat([Buffer.from(`${offset}\n`), bytes]));
  }

  /** Keeps `bytes` behind what is kept already. */
  extend(bytes: Buffer, offset: number): void {
    if (this.#bytes.length === 0) this.begin(bytes, offset);
    else {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      writeSync(this.#open(), bytes);
    }
  }

  /** What is kept stays for the next daemon. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    if (this.#bytes.length === 0) rmSync(this.#path, { force: true });
  }

  #open(): number {
    this.#fd ??= openSync(this.#path, "a", 0o640);
    return this.#fd;
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
