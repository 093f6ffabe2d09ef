import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLogTime, formatNanos, formatTime, parseTime, ZERO_TIME } from "./time.ts";

test.each([
  [undefined, ZERO_TIME],
  [0, "1970-01-01T00:00:00Z"],
  [1_700_000_000_000, "2023-11-14T22:13:20Z"],
  [1_700_000_000_120, "2023-11-14T22:13:20.12Z"],
  [951_782_400_000, "2000-02-29T00:00:00Z"],
  [-1, "1969-12-31T23:59:59.999Z"],
])("%s is %s", (at, words) => {
  expect(formatTime(at)).toBe(words);
});

test("nanoseconds: trailing zeros go, except in logs", () => {
  expect(formatNanos(1_700_000_000_123_456_700n)).toBe("2023-11-14T22:13:20.1234567Z");
  expect(formatLogTime(1_700_000_000_120_000_000n)).toBe("2023-11-14T22:13:20.120000000Z");
});

test("days agree with the machine's own calendar", () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true }), (date) => {
      fc.pre(date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999);
      expect(formatTime(date.getTime())).toBe(date.toISOString().replace(/\.?0*Z$/, "Z"));
    }),
  );
});

test("what is written is read back", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -62_135_596_800_000_000_000n, max: 253_402_300_799_999_999_999n }),
      (nanos) => {
        expect(parseTime(formatNanos(nanos))).toBe(nanos);
        expect(parseTime(formatLogTime(nanos))).toBe(nanos);
      },
    ),
  );
});

test.each([
  ["1700000000", 1_700_000_000_000_000_000n],
  ["1700000000.5", 1_700_000_000_500_000_000n],
  ["1700000000.000000001", 1_700_000_000_000_000_001n],
  ["2023-11-14T23:13:20+01:00", 1_700_000_000_000_000_000n],
  ["2023-11-14T22:13:20.25Z", 1_700_000_000_250_000_000n],
  ["yesterday", undefined],
  ["2023-13-01T00:00:00Z", undefined],
  ["10m", undefined],
  ["", undefined],
])("%s is read as %s", (text, nanos) => {
  expect(parseTime(text)).toBe(nanos);
});
