import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { dropOldFiles, shiftFiles } from "./log-files.ts";

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface LogFileLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export interface LogFileParts extends LogFileLimits {
  readonly path: string;
  /** The file is full, `written` entries of the batch are in it, and it is about to be rotated. */
  beforeRotate(written: number): void;
  /** A fresh file has the log's name and is still empty. */
  afterRotate(): void;
}

/**
 * The end of a log where it grows. All writes are synchronous: when `append` returns, the kernel has the bytes, and a
 * killed daemon loses none of them.
 */
export class LogFile {
  readonly #parts: LogFileParts;
  #fd: number;
  #size: number;

  /** Opens the log, mends a torn last line. */
  constructor(parts: LogFileParts) {
    this.#parts = parts;
    dropOldFiles(parts.path, Math.max(1, parts.maxFiles));
    this.#fd = openSync(parts.path, "a+", 0o640);
    this.#size = mendTail(this.#fd);
  }

  /** Bytes in the newest file. */
  get size(): number {
    return this.#size;
  }

  /** Adds entries, newline included each; a file that would grow over the limit is rotated first. */
  append(entries: readonly string[]): void {
    let batch: Buffer[] = [];
    let bytes = 0;
    for (const [i, entry] of entries.entries()) {
      const encoded = Buffer.from(entry);
      if (this.#isFull(bytes + encoded.length)) {
        this.#write(batch);
        batch = [];
        bytes = 0;
        if (this.#size > 0) this.#rotate(i);
      }
      batch.push(encoded);
      bytes += encoded.length;
    }
    this.#write(batch);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #isFull(more: number): boolean {
    return this.#parts.maxBytes > 0 && this.#size + more > this.#parts.maxBytes;
  }

  /** All or nothing as long as we live: what a full disk cut short is taken back. */
  #write(batch: readonly Buffer[]): void {
    if (batch.length === 0) return;
    const bytes = Buffer.concat(batch);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
      this.#size += bytes.length;
    } catch (error) {
      ftruncateSync(this.#fd, this.#size);
      throw error;
    }
  }

  #rotate(written: number): void {
    const { path, maxFiles } = this.#parts;
    this.#parts.beforeRotate(written);
    shiftFiles(path, Math.max(1, maxFiles));
    closeSync(this.#fd);
    this.#fd = openSync(path, "a+", 0o640);
    this.#size = 0;
    this.#parts.afterRotate();
  }
}

/** Cuts off what follows the last newline: a write that was cut short by a kill or a power cut. Returns the size then. */
function mendTail(fd: number): number {
  const size = fstatSync(fd).size;
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let end = size; end > 0; end = Math.max(0, end - BLOCK_BYTES)) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const read = readSync(fd, block, 0, end - start, start);
    const newline = block.subarray(0, read).lastIndexOf(NEWLINE);
    if (newline === -1) continue;
    const whole = start + newline + 1;
    if (whole < size) ftruncateSync(fd, whole);
    return whole;
  }
  if (size > 0) ftruncateSync(fd, 0);
  return 0;
}
