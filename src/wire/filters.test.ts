import fc from "fast-check";
import { expect, test } from "vitest";
import { filterValues, labelsFit, parseFilters, partFits, someFits } from "./filters.ts";

const KEYS = ["id", "name", "label"];
const wanted = fc.dictionary(fc.constantFrom(...KEYS), fc.uniqueArray(fc.string(), { maxLength: 4 }));

test("Docker's two forms say the same", () => {
  fc.assert(
    fc.property(wanted, (values) => {
      const maps = Object.entries(values).map(([key, list]) => [
        key,
        Object.fromEntries(list.map((v) => [v, true])),
      ]);
      const today = parseFilters(JSON.stringify(Object.fromEntries(maps)), KEYS);
      const once = parseFilters(JSON.stringify(values), KEYS);
      for (const key of KEYS) {
        expect(new Set(filterValues(today, key))).toEqual(new Set(filterValues(once, key)));
      }
    }),
  );
});

test("any text is filters or a refusal, and never another error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        parseFilters(text, KEYS);
      } catch (error) {
        expect(error).toMatchObject({ kind: "invalid", message: expect.stringMatching(/^invalid filter/) });
      }
    }),
  );
});

test("a key that is not accepted is named", () => {
  expect(() => parseFilters('{"nonsense":{"1":true}}', KEYS)).toThrow("invalid filter 'nonsense'");
});

test("no values fit everything; labels must all fit, other values are alternatives", () => {
  const filters = parseFilters('{"label":["a=1","b"],"name":["x","y"],"id":{}}', KEYS);
  expect(someFits(filters, "id", () => false)).toBe(true);
  expect(someFits(filters, "name", (value) => value === "y")).toBe(true);
  expect(labelsFit(filters, "label", { a: "1", b: "2" })).toBe(true);
  expect(labelsFit(filters, "label", { a: "2", b: "2" })).toBe(false);
  expect(labelsFit(filters, "label", { a: "1" })).toBe(false);
});

test.each([
  ["web.1", "eb", true],
  ["web.1", "^web", true],
  ["web.1", "^eb", false],
  ["web.1", "1$", true],
  ["web.1", "^web.1$", true],
  ["web.1", "^web$", false],
])("%s has %s: %s", (text, pattern, fits) => {
  expect(partFits(text, pattern)).toBe(fits);
});
