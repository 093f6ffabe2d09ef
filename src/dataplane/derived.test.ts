import fc from "fast-check";
import { expect, test } from "vitest";
import { cameOf, Derived } from "./derived.ts";

interface Row {
  readonly name: string;
  readonly times: number;
}

const row = fc.record({ name: fc.constantFrom("a", "b"), times: fc.nat(2) });
const make = ({ name, times }: Row, word = ""): string[] =>
  Array.from({ length: times }, (_, i) => `${word}${name}${i}`);

test("what follows from one list to the next is what is made anew", () => {
  const word = fc.constantFrom("x", "y");
  const rounds = fc.array(fc.tuple(fc.array(fc.nat(9)), word), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(row, { minLength: 10, maxLength: 10 }), rounds, (rows, steps) => {
      const derived = new Derived(make);
      let last: readonly Row[] = [];
      for (const [picks, of] of steps) {
        last = cameOf(
          picks.map((i) => rows[i]!),
          last,
        );
        expect(derived.of(last, of)).toEqual(last.flatMap((each) => make(each, of)));
      }
    }),
  );
});

test("only rows that differ are looked at; when they make the same, it is the same list", () => {
  const seen: Row[] = [];
  const derived = new Derived((each: Row) => {
    seen.push(each);
    return make(each);
  });
  const rows = ["a", "b", "c", "d"].map((name) => ({ name, times: 1 }));
  const first = derived.of(rows);
  seen.length = 0;
  const copy = { ...rows[2]! };
  const next = cameOf([rows[0]!, rows[1]!, copy, rows[3]!], rows);
  expect(derived.of(next)).toBe(first);
  const more = cameOf([...next, rows[0]!], next);
  expect(derived.of(more)).toEqual(["a0", "b0", "c0", "d0", "a0"]);
  expect(seen).toEqual([copy, rows[0]]);
});
