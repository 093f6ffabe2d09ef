import fc from "fast-check";
import { expect, test } from "vitest";
import { AssignmentBook } from "./assignment-book.ts";

const upsert = (key: string, value: object) => ({ key, json: JSON.stringify(value) });
const whole = (resultsIn: number, ...upserts: { key: string; json: string }[]) => ({
  complete: true,
  appliesTo: 0,
  resultsIn,
  upserts,
  removals: [],
});

test("a whole set replaces what was known, a difference changes it", () => {
  const book = new AssignmentBook();
  book.apply(whole(7, upsert("task/a", { id: "a" }), upsert("network/n", { id: "n" })));
  expect(book.tasks()).toEqual([{ id: "a" }]);
  expect(book.facts()).toEqual({
    networks: [{ id: "n" }],
    nodes: [],
    services: [],
    endpoints: [],
    attachments: [],
    guests: [],
    encryption: [],
  });
  book.apply({
    complete: false,
    appliesTo: 7,
    resultsIn: 8,
    upserts: [upsert("task/a", { id: "a", more: 1 }), upsert("task/b", { id: "b" })],
    removals: ["network/n", "task/unknown"],
  });
  expect(book.tasks()).toEqual([{ id: "a", more: 1 }, { id: "b" }]);
  expect(book.facts().networks).toEqual([]);
  book.apply(whole(1, upsert("task/c", { id: "c" })));
  expect(book.tasks()).toEqual([{ id: "c" }]);
});

test("knows what the cluster wants of the node once a manager has said it, also after a restart", () => {
  const book = new AssignmentBook();
  expect(book.availability()).toBeUndefined();
  book.apply(whole(7, upsert("self/n1", { availability: "drain" })));
  expect(book.availability()).toBe("drain");
  expect(AssignmentBook.load(book.save()).availability()).toBe("drain");
});

test("a difference for another set is refused and changes nothing", () => {
  const book = new AssignmentBook();
  book.apply(whole(7, upsert("task/a", {})));
  const late = { complete: false, appliesTo: 6, resultsIn: 7, upserts: [], removals: ["task/a"] };
  expect(() => book.apply(late)).toThrow("cannot apply assignments: made for set 6, have 7");
  expect(book.tasks()).toHaveLength(1);
});

test("a book from disk knows the same, and takes no difference before a whole set", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^(task|node)\/[a-z]{1,4}$/), fc.jsonValue()),
      fc.nat(),
      (items, set) => {
        const book = new AssignmentBook();
        book.apply(
          whole(set, ...Object.entries(items).map(([key, value]) => ({ key, json: JSON.stringify(value) }))),
        );
        const loaded = AssignmentBook.load(book.save());
        expect(loaded.tasks()).toEqual(book.tasks());
        expect(loaded.facts()).toEqual(book.facts());
        const next = { complete: false, appliesTo: set, resultsIn: set + 1, upserts: [], removals: [] };
        expect(() => loaded.apply(next)).toThrow("cannot apply assignments");
        loaded.apply(whole(set));
        expect(loaded.tasks()).toEqual([]);
      },
    ),
  );
});
