import fc from "fast-check";
import { expect, test } from "vitest";
import { globFits } from "./glob.ts";

test.each([
  ["redis:3.2", "redis:3.2", true],
  ["redis:3.2", "redis*", true],
  ["library/redis", "redis*", false],
  ["library/redis", "*", false],
  ["library/redis", "*/*", true],
  ["library/redis", "lib*/r?dis", true],
  ["abc", "a[a-c]c", true],
  ["abc", "a[^b]c", false],
  ["a-c", "a[x\\-]c", true],
  ["a*c", "a\\*c", true],
  ["abc", "a\\*c", false],
  ["", "*", true],
  ["", "?", false],
  ["abc", "a[", false],
  ["abc", "abc\\", false],
])("%s by %s: %s", (text, pattern, fits) => {
  expect(globFits(text, pattern)).toBe(fits);
});

test("agrees with a regular expression on patterns of letters and stars", () => {
  const words = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 12 });
  const patterns = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(words, patterns, (text, pattern) => {
      const same = new RegExp(`^${pattern.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`);
      expect(globFits(text, pattern)).toBe(same.test(text));
    }),
  );
});

test("a hostile pattern takes no time", () => {
  expect(globFits("a".repeat(4000), `${"*a".repeat(500)}b`)).toBe(false);
});
