import fc from "fast-check";
import { expect, test } from "vitest";
import { formatNanos, nanoStamps, parseNanos } from "./log-time.ts";

test.each([
  ["1970-01-01T00:00:00.000000000Z", 0n],
  ["2000-02-29T23:59:59.999999999Z", 951_868_799_999_999_999n],
  ["2023-11-14T22:13:20.000000001Z", 1_700_000_000_000_000_001n],
  ["2100-03-01T00:00:00.000000000Z", 4_107_542_400_000_000_000n],
])("%s", (text, at) => {
  expect(formatNanos(at)).toBe(text);
  expect(parseNanos(text)).toBe(at);
});

test("fractions may be short or absent, and zones are taken off", () => {
  expect(parseNanos("2023-11-14T22:13:20Z")).toBe(1_700_000_000_000_000_000n);
  expect(parseNanos("2023-11-14T22:13:20.5Z")).toBe(1_700_000_000_500_000_000n);
  expect(parseNanos("2023-11-14T23:43:20+01:30")).toBe(1_700_000_000_000_000_000n);
  for (const text of ["", "yesterday", "2023-11-14", "2023-11-14T22:13:20"])
    expect(parseNanos(text)).toBeUndefined();
});

test("what is formatted parses to itself, and sorts as it counts", () => {
  const instants = fc.bigInt({ min: 0n, max: 253_402_300_799_999_999_999n });
  fc.assert(
    fc.property(instants, instants, (a, b) => {
      expect(parseNanos(formatNanos(a))).toBe(a);
      expect(formatNanos(a) < formatNanos(b)).toBe(a < b);
    }),
  );
});

test("stamps of one millisecond count up", () => {
  let now = 5;
  const stamp = nanoStamps(() => now);
  expect([stamp(), stamp()]).toEqual([5_000_000n, 5_000_001n]);
  now = 6;
  expect(stamp()).toBe(6_000_000n);
});
