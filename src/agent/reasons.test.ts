import fc from "fast-check";
import { expect, test } from "vitest";
import { anyUnit } from "../lib/any-unit.fake.ts";
import { Fault } from "../lib/index.ts";
import type { ContainerState, ProbeResult } from "../runtime/index.ts";
import { exitReason, formatBytes, oneLine, pullFault, reasonOf, unhealthyReason } from "./reasons.ts";

test.each([
  ["plain", "plain"],
  ["two\nlines\r\n", "two lines"],
  ["\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text", "red text"],
  ["a\u0000b\tc\u2028d", "a b c d"],
  [" \n ", ""],
])("%j as one line", (text, line) => {
  expect(oneLine(text)).toBe(line);
});

test.each([
  [["Error: no such table"], "task: non-zero exit (1): Error: no such table"],
  [["a\n", "\n", "b\n"], "task: non-zero exit (1): a | b"],
  [[], "task: non-zero exit (1)"],
  [["x".repeat(300), "y".repeat(200)], `task: non-zero exit (1): ${"y".repeat(200)}`],
])("the last lines of %j", (log, reason) => {
  expect(exitReason(1, undefined, log)).toBe(reason);
});

test("a last line without end is cut", () => {
  const reason = exitReason(1, undefined, ["first", "z".repeat(1_000)]);
  expect(reason).toHaveLength(400);
  expect(reason).toMatch(/^task: non-zero exit \(1\): z+…$/);
});

const ended = (rest: object) => ({ oomKilled: true, config: { resources: {} }, ...rest }) as ContainerState;

test("memory goes before the log", () => {
  expect(exitReason(137, ended({}), [])).toBe("task: non-zero exit (137): out of memory");
  const limited = ended({ config: { resources: { memoryBytes: 2 ** 20 * 1.5 } } });
  expect(exitReason(1, limited, ["killed"])).toBe(
    "task: non-zero exit (1): out of memory (limit 1.5 MiB): killed",
  );
  expect(exitReason(137, ended({ oomKilled: false }), [])).toBe("task: non-zero exit (137)");
});

test("whatever is logged, the reason is one short line that begins with the exit code", () => {
  const line = fc.string({ unit: anyUnit, maxLength: 900 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), (lines, oomKilled) => {
      const reason = exitReason(2, ended({ oomKilled }), lines);
      expect(reason.startsWith("task: non-zero exit (2)")).toBe(true);
      expect(reason.length).toBeLessThanOrEqual(400);
      expect(reason).not.toMatch(/[\p{Cc}\p{Cs}]/u);
    }),
  );
});

test.each([
  [[], "task: unhealthy container"],
  [[{ exitCode: 1, output: "refused\n" }], "task: unhealthy container: refused"],
  [
    [
      { exitCode: 0, output: "ok" },
      { exitCode: 5, output: "" },
    ],
    "task: unhealthy container: health check exited with 5",
  ],
])("unhealthy after %j", (log, reason) => {
  const probes = log.map((probe): ProbeResult => ({ start: 0, end: 0, ...probe }));
  expect(unhealthyReason({ status: "unhealthy", failingStreak: 3, log: probes })).toBe(reason);
  expect(unhealthyReason(undefined)).toBe("task: unhealthy container");
});

test("a failed pull names its image once", () => {
  const fault = new Fault("unavailable", "timeout");
  expect(pullFault("localhost:5000/a/b:1@sha256:0", fault)).toMatchObject({
    kind: "unavailable",
    message: "cannot pull localhost:5000/a/b:1: timeout",
  });
  const named = new Fault("not-found", "manifest for a/b:1 not found");
  expect(pullFault("a/b:1", named)).toBe(named);
  expect(pullFault("a/b:1", "other")).toBe("other");
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [4 * 2 ** 20, "4 MiB"],
  [1.5 * 2 ** 30, "1.5 GiB"],
  [2 ** 40, "1 TiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
  expect(reasonOf("a", "", text)).toBe(`a: ${text}`);
});
