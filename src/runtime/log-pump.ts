import { constants, openSync, readSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { type Clock, type Log, messageOf, sleep } from "../lib/index.ts";
import type { LogStream, LogWriter } from "./log-writer.ts";

const DRAIN_BYTES = 1024 * 1024;
const BLOCK_BYTES = 16 * 1024;
/** How long `close` waits for writers that outlive the container's first process. */
const LINGER_MS = 2000;

export interface FifoReaderParts {
  readonly path: string;
  readonly stream: LogStream;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Writers may come and go without an end being seen, until `finish`: a shim opens a FIFO that is for both streams twice, and may have
   * closed it again in between.
   */
  readonly isHeldOpen?: boolean;
  /** A promise holds up the reading, and with it the writer, until it settles. The chunk's memory is used again. */
  take(chunk: Buffer): Promise<void> | undefined | void;
}

/**
 * Reads one FIFO as its writer fills it. Node reads pipes by events and without threads, and hands a chunk over in the
 * call that read it. After each chunk everything else in the daemon gets its turn: a container that never stops talking
 * must not be the only one heard.
 */
export class FifoReader {
  readonly #parts: FifoReaderParts;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;

  constructor(parts: FifoReaderParts) {
    this.#parts = parts;
    const mode = parts.isHeldOpen === true ? constants.O_RDWR : constants.O_RDONLY;
    this.#fd = openSync(parts.path, mode | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(BLOCK_BYTES);
    const callback = (bytes: number) => {
      const room = this.#take(buffer.subarray(0, bytes));
      const goOn = (): void => void setImmediate(() => this.#socket.resume());
      if (room === undefined) goOn();
      else room.then(goOn, goOn);
      return false;
    };
    const onread = { buffer, callback };
    this.#socket = new Socket({
      fd: this.#fd,
      readable: true,
      writable: false,
      onread,
    } as SocketConstructorOpts);
    this.#socket.on("error", (error) => {
      parts.log.warn("log pipe failed", { stream: parts.stream, error: error.message });
    });
    this.#ended = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    this.#socket.resume();
  }

  /** Takes what is left, until the writers are gone or had time enough, then closes. */
  async drain(): Promise<void> {
    if (!this.#drainNow()) {
      const stop = new AbortController();
      const late = sleep(this.#parts.clock, LINGER_MS, stop.signal).catch(() => undefined);
      await Promise.race([this.#ended, late]);
      stop.abort();
      this.#drainNow();
    }
    this.close();
  }

  /** Takes what is there, then closes: call it when the writers are known to be gone. */
  finish(): void {
    this.#drainNow();
    this.close();
  }

  /** Lets go at once; what is unread stays in the FIFO as long as its writer does. */
  close(): void {
    this.#socket.destroy();
  }

  /** Reads without waiting; true when there is no writer any more. A FIFO that never had one tells nothing by events. */
  #drainNow(): boolean {
    for (let taken = 0; taken < DRAIN_BYTES; ) {
      if (this.#socket.destroyed) return true;
      const block = Buffer.alloc(BLOCK_BYTES);
      const bytes = readNow(this.#fd, block);
      if (bytes === undefined || bytes === 0) return bytes === 0;
      // There is no more than fits a pipe: nobody is held up any more.
      void this.#take(block.subarray(0, bytes));
      taken += bytes;
    }
    return false;
  }

  /** Output that cannot be written (a full disk) is lost rather than held: the container must not hang on its log. */
  #take(chunk: Buffer): Promise<void> | undefined {
    const { take, stream, log } = this.#parts;
    try {
      return take(chunk) ?? undefined;
    } catch (error) {
      log.error("log lines lost", { stream, bytes: chunk.length, error: messageOf(error) });
      return undefined;
    }
  }
}

/** The bytes read; 0 without a writer, undefined when there is nothing now. */
function readNow(fd: number, block: Buffer): number | undefined {
  try {
    return readSync(fd, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}

/** Where a pump puts what it reads. */
export type PumpTarget = Pick<LogWriter, "write" | "finish" | "close">;

/** A container's pump: its FIFOs and the writer behind them. */
export class FifoPump {
  readonly #writer: PumpTarget;
  readonly #readers: ReadonlyMap<LogStream, FifoReader>;
  readonly #onEnd: () => void;
  #ending: Promise<void> | undefined;

  constructor(writer: PumpTarget, readers: ReadonlyMap<LogStream, FifoReader>, onEnd: () => void) {
    this.#writer = writer;
    this.#readers = readers;
    this.#onEnd = onEnd;
  }

  close(): Promise<void> {
    this.#ending ??= this.#drain();
    return this.#ending;
  }

  detach(): void {
    if (this.#ending !== undefined) return;
    this.#ending = Promise.resolve();
    for (const reader of this.#readers.values()) reader.close();
    this.#end();
  }

  async #drain(): Promise<void> {
    try {
      await Promise.all([...this.#readers.values()].map((reader) => reader.drain()));
      for (const stream of this.#readers.keys()) this.#writer.finish(stream);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#writer.close();
    this.#onEnd();
  }
}
