import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import type { LogEntry, LogOptions } from "../../src/runtime/container.ts";
import type { LogInput, LogPump } from "../../src/runtime/log.ts";
import { LogStore } from "../../src/runtime/log-store.ts";
import { systemClock } from "../../src/sys/index.ts";

const DAEMON = join(import.meta.dirname, "..", "support", "log-daemon.ts");
/** What the daemon takes from a pipe at once. */
const READ_BYTES = 16 * 1024;
const ID = "c".repeat(64);
const ALL: LogOptions = { follow: false, stdout: true, stderr: true };
const FOLLOW: LogOptions = { ...ALL, follow: true };
const never = new AbortController().signal;
const running = () => true;

let folder: string;
let store: LogStore;
let input: LogInput;
const shims: number[] = [];
const pumps: LogPump[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-logs-"));
  store = newStore();
  input = {
    stdoutFifo: join(folder, "io", "stdout"),
    stderrFifo: join(folder, "io", "stderr"),
    maxBytes: 0,
    maxFiles: 1,
  };
});

afterEach(() => {
  for (const pump of pumps.splice(0)) pump.detach();
  for (const fd of shims.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true });
});

const newStore = () => new LogStore({ folder: (id) => join(folder, id), clock: systemClock, log: silentLog });

async function open(at: LogStore = store, changes: Partial<LogInput> = {}): Promise<LogPump> {
  const pump = await at.open(ID, { ...input, ...changes });
  pumps.push(pump);
  return pump;
}

/** Holds both ends of a FIFO, as containerd's shim does. */
function shim(fifo: string): { say(text: string): void; end(): void } {
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  shims.push(fd);
  const end = () => {
    shims.splice(shims.indexOf(fd), 1);
    closeSync(fd);
  };
  return { say: (text) => void writeSync(fd, text), end };
}

const textOf = (entry: LogEntry) => `${entry.stream}: ${Buffer.from(entry.line)}`;

async function readAll(options: LogOptions = ALL, at: LogStore = store): Promise<string[]> {
  const lines: string[] = [];
  for await (const entry of at.read(ID, options, () => false, never)) lines.push(textOf(entry));
  return lines;
}

/** Follows in the background; `seen(n)` waits for n lines in all. */
function follow(options: LogOptions = FOLLOW, signal: AbortSignal = never) {
  const lines: string[] = [];
  let wake = () => {};
  const done = (async () => {
    for await (const entry of store.read(ID, options, running, signal)) {
      lines.push(textOf(entry));
      wake();
    }
    return lines;
  })();
  const seen = async (count: number) => {
    while (lines.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return lines;
  };
  return { seen, done };
}

test("what the container says is in the log, in order, and following ends with it", async () => {
  const pump = await open();
  const [out, err] = [shim(input.stdoutFifo), shim(input.stderrFifo ?? "")];
  const reader = follow();
  out.say("one\ntwo\n");
  await reader.seen(2);
  err.say("three\n");
  await reader.seen(3);
  out.say("no newline");
  out.end();
  err.end();
  await pump.close();
  const expected = ["stdout: one\n", "stdout: two\n", "stderr: three\n", "stdout: no newline"];
  expect(await reader.done).toEqual(expected);
  expect(await readAll()).toEqual(expected);
});

test("what is in the pipe when the container ends is not lost", async () => {
  const pump = await open();
  const out = shim(input.stdoutFifo);
  const line = `${"x".repeat(999)}\n`;
  for (let i = 0; i < 60; i++) out.say(line);
  out.end();
  await pump.close();
  expect(await readAll()).toHaveLength(60);
});

test("closing a pump whose container never started ends at once", async () => {
  const pump = await open();
  await pump.close();
  await pump.close();
  expect(await readAll()).toEqual([]);
});

test("with a terminal all comes on stdout", async () => {
  const { stderrFifo: _, ...tty } = input;
  const pump = await store.open(ID, tty);
  pumps.push(pump);
  const out = shim(input.stdoutFifo);
  out.say("$ ls\r\n");
  out.end();
  await pump.close();
  expect(await readAll()).toEqual(["stdout: $ ls\r\n"]);
  expect(readdirSync(join(folder, "io"))).toEqual(["stdout"]);
});

test("output waits in the pipe while no daemon is there, unfinished lines go on", async () => {
  const first = await open();
  const out = shim(input.stdoutFifo);
  const reader = follow();
  out.say("one\nunfin");
  await reader.seen(1);
  first.detach();
  await reader.done;
  out.say("ished\nthree\n");
  const next = newStore();
  const second = await open(next);
  out.end();
  await second.close();
  expect(await readAll(ALL, next)).toEqual(["stdout: one\n", "stdout: unfinished\n", "stdout: three\n"]);
});

test("a second pump for one container is refused", async () => {
  await open();
  await expect(open()).rejects.toMatchObject({ kind: "conflict" });
});

test("a pump that cannot open leaves the log free for another", async () => {
  await expect(open(store, { stdoutFifo: join("/dev/null", "fifo") })).rejects.toThrow();
  await (await open()).close();
});

test("an abort ends a quiet reader with its reason", async () => {
  await open();
  const stop = new AbortController();
  const reader = follow(FOLLOW, stop.signal);
  stop.abort(new Error("the client left"));
  await expect(reader.done).rejects.toThrow("the client left");
});

test("following a log that is not there yet begins with its first line", async () => {
  const reader = follow();
  await open();
  shim(input.stdoutFifo).say("hello\n");
  expect(await reader.seen(1)).toEqual(["stdout: hello\n"]);
});

test("tail, streams and times choose; tail counts what the others leave", async () => {
  const pump = await open(store, { maxBytes: 400, maxFiles: 100 });
  const [out, err] = [shim(input.stdoutFifo), shim(input.stderrFifo ?? "")];
  const reader = follow();
  for (let i = 0; i < 20; i++) {
    out.say(`o${i}\n`);
    await reader.seen(2 * i + 1);
    err.say(`e${i}\n`);
    await reader.seen(2 * i + 2);
  }
  out.end();
  err.end();
  await pump.close();
  await reader.done;
  const entries: LogEntry[] = [];
  for await (const entry of store.read(ID, ALL, running, never)) entries.push(entry);
  const all = entries.map(textOf);
  expect(all).toHaveLength(40);
  expect(await readAll({ ...ALL, tail: 3 })).toEqual(all.slice(-3));
  expect(await readAll({ ...ALL, tail: 31 })).toEqual(all.slice(-31));
  expect(await readAll({ ...ALL, tail: 1000 })).toEqual(all);
  expect(await readAll({ ...ALL, tail: 0 })).toEqual([]);
  expect(await readAll({ ...ALL, stdout: false, tail: 2 })).toEqual(["stderr: e18\n", "stderr: e19\n"]);
  const [since, until] = [entries[5]!.at, entries[30]!.at];
  expect(await readAll({ ...ALL, since, until })).toEqual(all.slice(5, 31));
  expect(await readAll({ ...ALL, since, until, tail: 2 })).toEqual(all.slice(29, 31));
});

test("following with `until` ends when that time has passed, though nothing is said", async () => {
  await open();
  const until = BigInt(systemClock.now() + 30) * 1_000_000n;
  expect(await follow({ ...FOLLOW, until }).done).toEqual([]);
});

test("tail of a follower: the last lines, then the new ones", async () => {
  await open();
  const out = shim(input.stdoutFifo);
  const first = follow();
  out.say("1\n2\n3\n");
  await first.seen(3);
  const [two, none] = [follow({ ...FOLLOW, tail: 2 }), follow({ ...FOLLOW, tail: 0 })];
  await two.seen(2);
  out.say("4\n");
  expect(await two.seen(3)).toEqual(["stdout: 2\n", "stdout: 3\n", "stdout: 4\n"]);
  expect(await none.seen(1)).toEqual(["stdout: 4\n"]);
});

test("who follows while no pump is open ends when the container is seen to have ended", async () => {
  const pump = await open();
  shim(input.stdoutFifo).say("last words\n");
  shims.splice(0).forEach(closeSync);
  await pump.close();
  let looks = 0;
  const lines: string[] = [];
  for await (const entry of store.read(ID, FOLLOW, () => ++looks < 4, never)) lines.push(textOf(entry));
  expect(lines).toEqual(["stdout: last words\n"]);
});

test("who follows a log that is removed before it began is let go", async () => {
  const reader = follow();
  await new Promise(setImmediate);
  await store.remove(ID);
  expect(await reader.done).toEqual([]);
});

test("a removed log leaves no file", async () => {
  const pump = await open(store, { maxBytes: 100, maxFiles: 3 });
  const out = shim(input.stdoutFifo);
  out.say("1\n2\n3\n4\nx");
  out.end();
  await pump.close();
  await store.remove(ID);
  expect(readdirSync(join(folder, ID))).toEqual([]);
  await store.remove(ID);
  expect(await readAll()).toEqual([]);
});

test("a reader of any pace misses and repeats no line while the log rotates", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(30)), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(120, 700, 5000),
      async (steps, maxBytes) => {
        const pump = await open(store, { maxBytes, maxFiles: 1000 });
        const out = shim(input.stdoutFifo);
        let hasEnded = false;
        const entries = store.read(ID, FOLLOW, () => !hasEnded, never);
        let [said, read] = [0, 0];
        const take = async () => {
          const { value } = await entries.next();
          expect(Buffer.from(value?.line ?? []).toString()).toBe(`${read++}\n`);
        };
        for (const [lines, reads] of steps) {
          out.say(Array.from({ length: lines }, () => `${said++}\n`).join(""));
          for (let i = 0; i < reads && read < said; i++) await take();
        }
        out.end();
        await pump.close();
        hasEnded = true;
        while (read < said) await take();
        expect((await entries.next()).done).toBe(true);
        await store.remove(ID);
      },
    ),
    { numRuns: 25 },
  );
});

test("a reader that lags behind the log's own reach skips whole files, and holds few", async () => {
  const pump = await open(store, { maxBytes: 1000, maxFiles: 3 });
  const out = shim(input.stdoutFifo);
  const entries = store.read(ID, FOLLOW, running, never);
  const other = follow();
  out.say("0\n");
  expect(Buffer.from((await entries.next()).value?.line ?? []).toString()).toBe("0\n");
  for (let i = 1; i < 500; i++) {
    out.say(`${i}\n`);
    await other.seen(i + 1);
  }
  const held = readdirSync("/proc/self/fd").length;
  expect(held).toBeLessThan(200);
  out.end();
  await pump.close();
  const all: string[] = [];
  for await (const { line } of entries) all.push(Buffer.from(line).toString());
  const gap = all.findIndex((line) => line.includes("lines of this log are missing here"));
  const rest = all.filter((_, i) => i !== gap).map(Number);
  expect((rest[gap] ?? 0) - (rest[gap - 1] ?? 0), "it is told where").toBeGreaterThan(100);
  expect(rest.at(-1)).toBe(499);
  expect(rest.length).toBeLessThan(100);
  expect([...rest].sort((a, b) => a - b)).toEqual(rest);
});

/**
 * A kill may come in the microseconds between read(2) and the next write(2): then that one read is gone. Of a container that
 * writes without pause about one kill in fifty does that; more than two in five would be something else.
 */
test("a daemon killed while it writes loses, repeats and breaks no line; the container never notices", async () => {
  const fifos = [input.stdoutFifo, input.stderrFifo ?? ""];
  await (await open()).close();
  const held = openSync(input.stdoutFifo, constants.O_RDWR);
  const container = spawn("seq", ["1", "inf"], { stdio: ["ignore", held, "ignore"] });
  shims.push(held);
  try {
    for (let kills = 0; kills < 5; kills++) await runDaemonAndKill(fifos);
  } finally {
    container.kill();
  }
  if (container.exitCode === null && container.signalCode === null) await once(container, "exit");
  const pump = await open(store, { maxBytes: 1_000_000, maxFiles: 1000 });
  closeSync(shims.pop() ?? -1);
  await pump.close();
  const { last, gaps } = await checkCount();
  expect(last).toBeGreaterThan(10_000);
  if (gaps.length > 0) console.warn("kills that came between a read and its write:", gaps);
  expect(gaps.length).toBeLessThanOrEqual(2);
});

/** Counts along with `seq`. What follows a gap is the end of a line whose beginning is lost; the last line may be unfinished. */
async function checkCount(): Promise<{ last: number; gaps: string[] }> {
  const gaps: string[] = [];
  let [last, isAfterGap] = [0, false];
  for await (const { line } of store.read(ID, ALL, running, never)) {
    const text = Buffer.from(line).toString();
    const said = Number(text);
    if (said === last + 1 || (isAfterGap && said > last)) {
      expect((said - last - 1) * (text.length - 1)).toBeLessThan(READ_BYTES + 100);
      last = said;
      isAfterGap = false;
    } else if (text.endsWith("\n")) {
      expect(isAfterGap).toBe(false);
      gaps.push(`after ${last}: ${text.trim()}`);
      isAfterGap = true;
    }
  }
  return { last, gaps };
}

async function runDaemonAndKill(fifos: readonly string[]): Promise<void> {
  const argv = ["--import", "tsx", DAEMON, folder, ID, ...fifos];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), ended]);
  expect(child.exitCode).toBeNull();
  child.kill("SIGKILL");
  await ended;
}
