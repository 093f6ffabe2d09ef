import fc from "fast-check";
import { expect, test } from "vitest";
import { deltaOf, withDelta } from "./delta.ts";

const anyValue = fc.jsonValue({ maxDepth: 4 });

test("what was told is what there is, and the first value stays as it was", () => {
  fc.assert(
    fc.property(anyValue, anyValue, (from, to) => {
      const before = structuredClone(from);
      expect(withDelta(from, structuredClone(deltaOf(from, to)))).toEqual(to);
      expect(from).toEqual(before);
    }),
  );
});

test("a list with items changed, put in and taken out", () => {
  const list = fc.array(fc.nat(3), { maxLength: 6 });
  fc.assert(
    fc.property(list, list, (from, to) => {
      expect(withDelta(from, deltaOf(from, to))).toEqual(to);
    }),
  );
});

test("what both values share is not said again, and is the receiver's own afterwards", () => {
  const chains = Array.from({ length: 1_000 }, (_, i) => ({ name: `chain-${i}`, rules: ["accept"] }));
  const from = { tables: [{ name: "lb", chains }] };
  const one = { name: "chain-500", rules: ["drop"] };
  const to = { tables: [{ name: "lb", chains: [...chains.slice(0, 500), one, ...chains.slice(501)] }] };
  const delta = deltaOf(from, to);
  expect(JSON.stringify(delta).length).toBeLessThan(500);
  const mirror = structuredClone(from);
  const after = withDelta(mirror, structuredClone(delta)) as typeof from;
  expect(after).toEqual(to);
  expect(after.tables[0]?.chains[0]).toBe(mirror.tables[0]?.chains[0]);
  expect(after.tables[0]?.chains[999]).toBe(mirror.tables[0]?.chains[999]);
});
