import fc from "fast-check";
import { expect, test } from "vitest";
import { OrderedList, sortBy } from "./ordered-list.ts";

test("whatever was ordered before, rows come out as if sorted anew", () => {
  const all = Array.from({ length: 12 }, (_, i) => ({ key: String((i * 7) % 12) }));
  const rows = fc.array(fc.constantFrom(...all)).map((some) => [...new Set(some)]);
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 6 }), (lists) => {
      const ordered = new OrderedList<{ readonly key: string }>((row) => row.key);
      for (const list of lists) expect(ordered.sort(list)).toEqual(sortBy(list, (row) => row.key));
    }),
  );
});

test("the same rows in any order come back as the same list", () => {
  const [a, b, c] = [{ key: "a" }, { key: "b" }, { key: "c" }];
  const ordered = new OrderedList<{ readonly key: string }>((row) => row.key);
  const first = ordered.sort([c, a, b]);
  expect(ordered.sort([b, c, a])).toBe(first);
  expect(first).toEqual([a, b, c]);
});
