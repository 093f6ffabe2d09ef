import { expect, test } from "vitest";
import { pruneTest } from "./prune.ts";

const NOW = 1_700_000_000_000;
const goes = (filters: Record<string, string[]>, ageMs = 0, labels: Record<string, string> = {}) =>
  pruneTest(new Map(Object.entries(filters)), NOW)({ createdAt: NOW - ageMs, labels });

test.each<[until: string, ageMs: number, goes: boolean]>([
  ["1h", 3_600_000, true],
  ["1h", 3_599_999, false],
  ["1h30m", 5_400_000, true],
  ["1.5h", 5_399_999, false],
  ["90s", 90_000, true],
  ["100ms", 99, false],
  ["-1h", 0, true],
  ["1699999999", 1_000, true],
  ["1699999999", 999, false],
  ["2023-11-14T22:13:19Z", 1_000, true],
  ["2023-11-14T22:13:19Z", 0, false],
])("until %s and an age of %d ms: %j", (until, ageMs, expected) => {
  expect(goes({ until: [until] }, ageMs)).toBe(expected);
});

test.each(["", "dawn", "1d", "h", "1h x"])("%j is no time", (text) => {
  expect(() => goes({ until: [text] })).toThrow(`failed to parse value as time or duration: "${text}"`);
});

test("labels that must be there, and labels that spare", () => {
  expect(goes({ label: ["a=1"] }, 0, { a: "1" })).toBe(true);
  expect(goes({ label: ["a=1"] }, 0, { a: "2" })).toBe(false);
  expect(goes({ "label!": ["a"] }, 0, { a: "2" })).toBe(false);
  expect(goes({ "label!": ["a"] })).toBe(true);
});
