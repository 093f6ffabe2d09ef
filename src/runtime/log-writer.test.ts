import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LogEntry } from "./container.ts";
import { decodeEntry, encodeEntry } from "./log-entry.ts";
import { logFilesOf, rotatedNumbers } from "./log-files.ts";
import { LogJournal } from "./log-journal.ts";
import { cutLines } from "./log-lines.ts";
import { nanoStamps } from "./log-time.ts";
import { LogWriter } from "./log-writer.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-log-"));
  path = join(folder, "c-json.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

function openAt(at: string, limits: { maxBytes?: number; maxFiles?: number } = {}): LogWriter {
  return new LogWriter({
    path: at,
    maxBytes: limits.maxBytes ?? 0,
    maxFiles: limits.maxFiles ?? 1,
    stamp: nanoStamps(() => 1_700_000_000_000),
    onRotate() {},
  });
}

function entriesOf(at: string): LogEntry[] {
  const lines = logFilesOf(at).flatMap((file) => readFileSync(file, "utf8").split("\n").slice(0, -1));
  return lines.flatMap((line) => decodeEntry(line) ?? []);
}

const linesOf = (at: string, stream: "stdout" | "stderr") =>
  entriesOf(at)
    .filter((entry) => entry.stream === stream)
    .map((entry) => Buffer.from(entry.line).toString());

test("entries are Docker's json-file lines", () => {
  const writer = openAt(path);
  writer.write("stdout", Buffer.from('say "hi"\nand'));
  writer.write("stderr", Buffer.from("oops\n"));
  writer.finish("stdout");
  writer.close();
  expect(readFileSync(path, "utf8")).toBe(
    [
      '{"log":"say \\"hi\\"\\n","stream":"stdout","time":"2023-11-14T22:13:20.000000000Z"}\n',
      '{"log":"oops\\n","stream":"stderr","time":"2023-11-14T22:13:20.000000001Z"}\n',
      '{"log":"and","stream":"stdout","time":"2023-11-14T22:13:20.000000002Z"}\n',
    ].join(""),
  );
});

test("a file over its size is rotated, the oldest go", () => {
  const writer = openAt(path, { maxBytes: 200, maxFiles: 3 });
  for (let i = 0; i < 20; i++) writer.write("stdout", Buffer.from(`line ${i}\n`));
  writer.close();
  expect(rotatedNumbers(path)).toEqual([1, 2]);
  for (const file of logFilesOf(path)) expect(readFileSync(file).length).toBeLessThanOrEqual(200);
  expect(linesOf(path, "stdout")).toEqual([14, 15, 16, 17, 18, 19].map((i) => `line ${i}\n`));
});

test("one file only: it begins again", () => {
  const writer = openAt(path, { maxBytes: 200, maxFiles: 1 });
  for (let i = 0; i < 5; i++) writer.write("stdout", Buffer.from(`line ${i}\n`));
  writer.close();
  expect(rotatedNumbers(path)).toEqual([]);
  expect(linesOf(path, "stdout")).toEqual(["line 4\n"]);
});

test("a gap in the numbers, left by a kill during a rotation, is filled and loses nothing", () => {
  const writer = openAt(path, { maxBytes: 100, maxFiles: 4 });
  for (let i = 0; i < 4; i++) writer.write("stdout", Buffer.from(`line ${i}\n`));
  rmSync(`${path}.1`);
  writer.write("stdout", Buffer.from("line 4\n"));
  writer.close();
  expect(linesOf(path, "stdout")).toEqual(["line 0\n", "line 1\n", "line 3\n", "line 4\n"]);
});

test("a lowered number of files holds from the next start", () => {
  const many = openAt(path, { maxBytes: 100, maxFiles: 5 });
  for (let i = 0; i < 5; i++) many.write("stdout", Buffer.from(`line ${i}\n`));
  many.close();
  openAt(path, { maxFiles: 2 }).close();
  expect(linesOf(path, "stdout")).toEqual(["line 3\n", "line 4\n"]);
});

test("a torn last line is cut off when the log is opened", () => {
  for (const torn of ['{"log":"torn', "{", "\0".repeat(70_000), '{"log":"x\\n","stream":"stdout","time":']) {
    rmSync(path, { force: true });
    const first = openAt(path);
    first.write("stdout", Buffer.from("one\n"));
    first.close();
    appendFileSync(path, torn);
    const second = openAt(path);
    second.write("stdout", Buffer.from("two\n"));
    second.close();
    expect(linesOf(path, "stdout")).toEqual(["one\n", "two\n"]);
    expect(readFileSync(path, "utf8").split("\n")).toHaveLength(3);
  }
  writeFileSync(path, '{"log":"only a torn line');
  openAt(path).close();
  expect(readFileSync(path)).toHaveLength(0);
});

test("what a killed daemon had written only in part is completed from its journal", () => {
  const lines = Array.from({ length: 1500 }, (_, i) => `line ${i}\n`);
  const bytes = Buffer.from(`${lines.join("")}unfinished`);
  openAt(path).write("stdout", bytes);
  const whole = readFileSync(path);
  const journal = `1 0 ${bytes.length} ${crc32(bytes)}\n${bytes}`;
  for (const size of [0, 10, 5000, 77_777, whole.length - 1, whole.length]) {
    writeFileSync(path, whole);
    truncateSync(path, size);
    writeFileSync(`${path}.stdout-rest`, journal);
    const next = openAt(path);
    next.write("stdout", Buffer.from(" line\n"));
    next.close();
    expect(linesOf(path, "stdout")).toEqual([...lines, "unfinished line\n"]);
  }
});

test("what was in the log already does not come again after the log has rotated", () => {
  const bytes = Buffer.from("1\n2\n");
  writeFileSync(`${path}.stdout-rest`, `1 0 ${bytes.length} ${crc32(bytes)}\n${bytes}`);
  const entry = (text: string) => encodeEntry({ at: 0n, stream: "stdout", line: Buffer.from(text) });
  writeFileSync(path, entry("1\n") + entry("2\n"));
  openAt(path, { maxFiles: 2 }).close();
  renameSync(path, `${path}.1`);
  openAt(path, { maxFiles: 2 }).close();
  expect(linesOf(path, "stdout")).toEqual(["1\n", "2\n"]);
});

test("a journal whose last write was cut short is as it was before", () => {
  const at = `${path}.stdout-rest`;
  const journal = new LogJournal(at);
  journal.put(Buffer.from("first"), 7);
  journal.put(Buffer.from("second, longer"), 9);
  const whole = readFileSync(at);
  expect(new LogJournal(at).load()).toMatchObject({ offset: 9, bytes: Buffer.from("second, longer") });
  const second = whole.indexOf("2 9 ");
  for (let damage = 1; damage < "2 9 14 ".length + 20; damage++) {
    const torn = Buffer.from(whole);
    torn.fill(0, second === 0 ? damage : second + damage, second === 0 ? 60 : undefined);
    writeFileSync(at, torn);
    expect(new LogJournal(at).load()).toMatchObject({ offset: 7, bytes: Buffer.from("first") });
  }
  journal.close();
});

/** What a kill may leave of a rotation: nothing renamed, the fresh file not there, or there and empty. */
test.each(["before", "between", "after"])(
  "a kill %s the files of a rotation move loses and repeats nothing",
  (when) => {
    const first = openAt(path);
    first.write("stdout", Buffer.from("1\n2\n"));
    first.close();
    const bytes = Buffer.from("3\n4\nunfin");
    const size = statSync(path).size;
    writeFileSync(`${path}.stdout-rest`, `1 ${size} ${bytes.length} ${crc32(bytes)}\n${bytes}`);
    if (when !== "before") renameSync(path, `${path}.1`);
    if (when === "after") writeFileSync(path, "");
    const next = openAt(path, { maxBytes: size, maxFiles: 9 });
    next.write("stdout", Buffer.from("ished\n"));
    next.close();
    expect(linesOf(path, "stdout")).toEqual(["1\n", "2\n", "3\n", "4\n", "unfinished\n"]);
  },
);

/** A container's writes, with kills of the daemon in between. */
const histories = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.constant("kill" as const) },
    {
      weight: 6,
      arbitrary: fc.record({
        stream: fc.constantFrom("stdout" as const, "stderr" as const),
        text: fc.oneof(
          fc.constantFrom("\n", "a\n", "b", "c\nd\ne", "é"),
          fc.nat(9000).map((n) => "z".repeat(n)),
          fc.nat(60).map((n) => "many\n".repeat(n)),
        ),
      }),
    },
  ),
  { maxLength: 30 },
);

test("no line is lost, repeated or broken by kills and rotations", () => {
  let run = 0;
  fc.assert(
    fc.property(histories, fc.constantFrom(0, 300, 2000, 20_000), (history, maxBytes) => {
      const at = join(folder, `${run++}-json.log`);
      const limits = { maxBytes, maxFiles: 10_000 };
      let writer = openAt(at, limits);
      const said = { stdout: "", stderr: "" };
      for (const step of history) {
        if (step === "kill") {
          writer.close(); // closes descriptors only: a kill that does not use up the test's own
          writer = openAt(at, limits);
        } else {
          writer.write(step.stream, Buffer.from(step.text));
          said[step.stream] += step.text;
        }
      }
      for (const stream of ["stdout", "stderr"] as const) {
        writer.finish(stream);
        const { pieces, rest } = cutLines(Buffer.from(said[stream]));
        const expected = rest.length > 0 ? [...pieces, rest] : pieces;
        expect(linesOf(at, stream)).toEqual(expected.map(String));
      }
      writer.close();
    }),
    { numRuns: 60 },
  );
});
