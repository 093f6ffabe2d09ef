import { closeSync, constants, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

/** Two places in the file, written in turn; each holds a header and up to twice what one write to the log brings. */
const SLOT_BYTES = 64 * 1024;
const HEADER_REGEXP = /^(\d+) (\d+) (\d+) (\d+)\n/;
const NOTHING: Buffer = Buffer.alloc(0);

/** Output of one stream that an earlier daemon had read, and the size of the log's newest file when it began. */
export interface Unlogged {
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * One stream's output that is read but not yet, or perhaps not yet, in the log. It holds unfinished lines, and output for as
 * long as it takes to write it to the log, so that a killed daemon has not taken it out of the pipe for nothing.
 *
 * Its law: the stream's entries in the log's newest file from `offset` on are the first of the lines in `bytes`. An offset beyond
 * the end of that file means that it was rotated just then, and that all of `bytes` is still to come.
 *
 * On disk: two slots of `<turn> <offset> <length> <CRC-32>\n<bytes>`; the valid one with the higher turn counts. One write
 * makes each change, and one that a kill cuts short leaves the other slot as it was.
 */
export class LogJournal {
  readonly #path: string;
  #fd: number | undefined;
  #turn = 0;
  #bytes: Buffer = NOTHING;

  constructor(path: string) {
    this.#path = path;
  }

  /** What an earlier daemon left here. */
  load(): Unlogged | undefined {
    const text = readIfThere(this.#path);
    const slots = [0, 1].flatMap((n) => parseSlot(text.subarray(n * SLOT_BYTES)) ?? []);
    const [newest] = slots.sort((a, b) => b.turn - a.turn);
    if (newest === undefined) return undefined;
    this.#turn = newest.turn;
    this.#bytes = newest.bytes;
    return newest;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Keeps `bytes`, and nothing else, as output that begins where the log is `offset` bytes long. */
  put(bytes: Buffer, offset: number): void {
    const isNews = bytes.length > 0 || this.#bytes.length > 0;
    this.#bytes = bytes.length > 0 ? Buffer.from(bytes) : NOTHING;
    if (!isNews) return;
    this.#fd ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o640);
    this.#turn++;
    writeSync(this.#fd, formatSlot(this.#turn, this.#bytes, offset), 0, null, (this.#turn % 2) * SLOT_BYTES);
  }

  /** What is kept stays for the next daemon. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    if (this.#bytes.length === 0) rmSync(this.#path, { force: true });
  }
}

function formatSlot(turn: number, bytes: Buffer, offset: number): Buffer {
  return Buffer.concat([Buffer.from(`${turn} ${offset} ${bytes.length} ${crc32(bytes)}\n`), bytes]);
}

function parseSlot(slot: Buffer): (Unlogged & { turn: number }) | undefined {
  const header = HEADER_REGEXP.exec(slot.subarray(0, 80).toString("latin1"));
  if (header === null) return undefined;
  const [turn = 0, offset = 0, length = 0, sum = 0] = header.slice(1).map(Number);
  const bytes = slot.subarray(header[0].length, header[0].length + length);
  return bytes.length === length && crc32(bytes) === sum ? { turn, offset, bytes } : undefined;
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NOTHING;
    throw error;
  }
}
