import fc from "fast-check";
import { expect, test } from "vitest";
import { OrderedList, sortBy } from "./ordered-list.ts";

interface Row {
  readonly key: string;
}

const KEYS = Array.from({ length: 12 }, (_, i) => String((i * 7) % 12));
const ROWS = KEYS.flatMap((key) => [{ key }, { key }]);

test("whatever was there before, rows come out as if sorted anew", () => {
  const step = fc.tuple(fc.constantFrom(...KEYS), fc.option(fc.nat(1), { nil: undefined }));
  fc.assert(
    fc.property(fc.array(fc.array(step), { maxLength: 6 }), (rounds) => {
      const ordered = new OrderedList<Row>((row) => row.key);
      const model = new Map<string, Row>();
      for (const round of rounds) {
        for (const [key, which] of round) {
          const row = which === undefined ? undefined : ROWS.filter((each) => each.key === key)[which];
          ordered.set(key, row);
          if (row === undefined) model.delete(key);
          else model.set(key, row);
        }
        const wanted = sortBy([...model.values()], (row) => row.key);
        const rows = ordered.rows();
        expect(rows).toHaveLength(wanted.length);
        for (const [i, row] of wanted.entries()) expect(rows[i]).toBe(row);
      }
    }),
  );
});

test("rows that went and came again leave the list the same", () => {
  const [a, b] = [{ key: "a" }, { key: "b" }];
  const ordered = new OrderedList<Row>((row) => row.key);
  for (const row of [b, a]) ordered.set(row.key, row);
  const first = ordered.rows();
  ordered.set("a", undefined);
  ordered.set("a", a);
  expect(ordered.rows()).toBe(first);
  expect(first).toEqual([a, b]);
});
