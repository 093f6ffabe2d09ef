import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Clock, Fault, type Log } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";
import type { LogEntry, LogOptions } from "./container.ts";
import type { LogInput, LogPump, Logs } from "./log.ts";
import { LogChannel } from "./log-channel.ts";
import { removeLogFiles } from "./log-files.ts";
import { FifoPump, FifoReader, type PumpTarget } from "./log-pump.ts";
import { readLog } from "./log-reader.ts";
import { nanoStamps } from "./log-time.ts";
import { type LogStream, LogWriter } from "./log-writer.ts";

export interface LogStoreParts {
  /** The folder of a container; made when it is not there. */
  folder(containerId: string): string;
  readonly clock: Clock;
  readonly log: Log;
}

const nothing = (): void => {};
const NOWHERE: PumpTarget = { write: nothing, finish: nothing, close: nothing };

/** Logs as files of this machine: `<folder>/<id>-json.log`, rotated ones `.1`, `.2` and on. */
export class LogStore implements Logs {
  readonly #parts: LogStoreParts;
  readonly #channels = new Map<string, LogChannel>();

  constructor(parts: LogStoreParts) {
    this.#parts = parts;
  }

  pathOf(containerId: string): string {
    return join(this.#parts.folder(containerId), `${containerId}-json.log`);
  }

  async open(containerId: string, input: LogInput): Promise<LogPump> {
    const channel = this.#channelOf(containerId);
    if (channel.isOpen)
      throw new Fault("conflict", `cannot open the log of ${containerId}: it is being written`);
    channel.isOpen = true;
    channel.maxFiles = Math.max(1, input.maxFiles);
    try {
      mkdirSync(dirname(this.pathOf(containerId)), { recursive: true, mode: 0o710 });
      await makeFifos([input.stdoutFifo, ...(input.stderrFifo === undefined ? [] : [input.stderrFifo])]);
      return this.#pump(containerId, input, channel);
    } catch (error) {
      this.#closed(containerId, channel);
      throw error;
    }
  }

  async *read(
    containerId: string,
    options: LogOptions,
    isRunning: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry, void, undefined> {
    const { clock, log } = this.#parts;
    const channel = this.#channelOf(containerId);
    try {
      yield* readLog({ path: this.pathOf(containerId), channel, options, clock, log, isRunning }, signal);
    } finally {
      this.#release(containerId, channel);
    }
  }

  async remove(containerId: string): Promise<void> {
    removeLogFiles(this.pathOf(containerId));
    this.#channels.get(containerId)?.closed();
  }

  #pump(containerId: string, input: LogInput, channel: LogChannel): LogPump {
    const { clock } = this.#parts;
    const log = this.#parts.log.with({ container: containerId });
    const path = this.pathOf(containerId);
    const stamp = nanoStamps(() => clock.now());
    const { maxBytes, maxFiles } = input;
    const onRotate = (): void => channel.rotated();
    const writer =
      input.isDiscarded === true ? NOWHERE : new LogWriter({ path, maxBytes, maxFiles, stamp, onRotate });
    const readers = new Map<LogStream, FifoReader>();
    try {
      for (const [stream, fifo] of streamsOf(input)) {
        const take = (chunk: Buffer) => {
          writer.write(stream, chunk);
          channel.changed();
          return input.tap?.(stream, chunk);
        };
        readers.set(stream, new FifoReader({ path: fifo, stream, clock, log, take }));
      }
    } catch (error) {
      for (const reader of readers.values()) reader.close();
      writer.close();
      throw error;
    }
    channel.changed();
    return new FifoPump(writer, readers, () => this.#closed(containerId, channel));
  }

  #closed(containerId: string, channel: LogChannel): void {
    channel.closed();
    this.#release(containerId, channel);
  }

  #channelOf(containerId: string): LogChannel {
    const channel = this.#channels.get(containerId) ?? new LogChannel();
    this.#channels.set(containerId, channel);
    return channel;
  }

  #release(containerId: string, channel: LogChannel): void {
    if (channel.isIdle && this.#channels.get(containerId) === channel) this.#channels.delete(containerId);
  }
}

function streamsOf({ stdoutFifo, stderrFifo }: LogInput): [LogStream, string][] {
  const stdout: [LogStream, string] = ["stdout", stdoutFifo];
  return stderrFifo === undefined ? [stdout] : [stdout, ["stderr", stderrFifo]];
}

/** Node cannot make FIFOs; one run of mkfifo(1) makes both. */
async function makeFifos(paths: readonly string[]): Promise<void> {
  const missing = paths.filter((path) => !existsSync(path));
  for (const path of missing) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (missing.length > 0) await execOk(["mkfifo", "--mode=600", ...missing]);
}
