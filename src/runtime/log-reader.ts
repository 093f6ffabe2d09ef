import type { Clock, Log } from "../lib/index.ts";
import type { LogEntry, LogOptions } from "./container.ts";
import type { LogChannel } from "./log-channel.ts";
import { LogCursor } from "./log-cursor.ts";

const NANOS_PER_MS = 1_000_000n;
const UNTENDED_MS = 250;

export interface LogReadParts {
  readonly path: string;
  readonly channel: LogChannel;
  readonly options: LogOptions;
  readonly clock: Clock;
  readonly log: Log;
  isRunning(): boolean;
}

/** The entries of a log that the options ask for, in the order of the file. Holds a block in memory, whatever the log's size. */
export async function* readLog(
  parts: LogReadParts,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, undefined> {
  const { path, channel, options, clock, log } = parts;
  signal.throwIfAborted();
  const cursor = new LogCursor(path);
  const follow = () => {
    if (cursor.follow(channel.maxFiles)) log.warn("log lines skipped: the reader is too slow", { path });
  };
  const stopFollowing = options.follow ? channel.onRotate(follow) : () => {};
  const wake = wakeAtUntil(options, clock, channel);
  try {
    if (options.tail !== undefined) await cursor.seekTail(options.tail, (entry) => isWanted(entry, options));
    yield* walk(cursor, parts, signal);
  } finally {
    wake();
    stopFollowing();
    cursor.close();
  }
}

async function* walk(
  cursor: LogCursor,
  { channel, options, clock, isRunning }: LogReadParts,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, undefined> {
  const { closings } = channel;
  /** Nothing more will be written. */
  const isOver = () => channel.closings > closings || !(channel.isOpen || isRunning());
  for (;;) {
    signal.throwIfAborted();
    const { version } = channel;
    const isLast = !options.follow || isOver() || isPast(options.until, clock.now());
    const entries = await cursor.next(!options.follow);
    if (cursor.takeGap()) yield gapEntry(entries[0]?.at ?? 0n, options);
    for (const entry of entries) {
      if (isWanted(entry, options)) yield entry;
    }
    if (entries.length > 0) continue;
    if (isLast) return;
    await nextChange(channel, version, clock, signal);
  }
}

/** Said where lines are missing, in the log's own place for such things: whoever reads it is not to take it for whole. */
function gapEntry(at: bigint, { stderr }: LogOptions): LogEntry {
  const line = Buffer.from("shoald: lines of this log are missing here: its reader was too slow\n");
  return { at, stream: stderr ? "stderr" : "stdout", line };
}

/** With no pump open nobody tells that the container has ended: it is looked at again after a while. */
async function nextChange(
  channel: LogChannel,
  version: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const timer = channel.isOpen ? undefined : clock.after(UNTENDED_MS, () => channel.changed());
  try {
    await channel.changeAfter(version, signal);
  } finally {
    timer?.cancel();
  }
}

function isPast(until: bigint | undefined, now: number): boolean {
  return until !== undefined && BigInt(Math.floor(now)) * NANOS_PER_MS > until;
}

function isWanted({ at, stream }: LogEntry, options: LogOptions): boolean {
  if (!options[stream]) return false;
  if (options.since !== undefined && at < options.since) return false;
  return options.until === undefined || at <= options.until;
}

/** A quiet log ends too when `until` has passed. Timers may be a moment early. */
function wakeAtUntil({ until, follow }: LogOptions, clock: Clock, channel: LogChannel): () => void {
  if (until === undefined || !follow) return () => {};
  const wait = () => clock.after(Math.max(1, Number(until / NANOS_PER_MS) + 1 - clock.now()), wake);
  const wake = () => {
    if (isPast(until, clock.now())) channel.changed();
    else timer = wait();
  };
  let timer = wait();
  return () => timer.cancel();
}
