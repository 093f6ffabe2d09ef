import { expect, test } from "vitest";
import { filterValues, labelsFit, parseFilters, partFits, someFits } from "./filters.ts";

const read = (value: unknown) => parseFilters(JSON.stringify(value), ["label", "name"]);

test("both of Docker's forms say the same", () => {
  expect(read({ name: { a: true, b: true } })).toEqual(read({ name: ["a", "b"] }));
  expect(filterValues(read({ name: { a: true, b: false } }), "name")).toEqual(["a"]);
});

test("nothing asks for nothing", () => {
  for (const text of [null, "", "{}"]) expect(parseFilters(text, ["name"]).size).toBe(0);
  expect(someFits(read({}), "name", () => false)).toBe(true);
  expect(someFits(read({ name: null }), "name", () => false)).toBe(true);
});

test.each<[text: string, refusal: string]>([
  ["{", "invalid filter: the filters are no JSON"],
  ["[]", "invalid filter: the filters are no JSON object"],
  ["null", "invalid filter: the filters are no JSON object"],
  ['{"nome":["x"]}', "invalid filter 'nome'"],
  ['{"__proto__":["x"]}', "invalid filter '__proto__'"],
  ['{"name":"x"}', "invalid filter: the values of 'name' are neither a map nor a list"],
  ['{"name":[1]}', "invalid filter: the values of 'name' are neither a map nor a list"],
  ['{"name":{"x":true,"y":1}}', "invalid filter: the values of 'name' are neither a map nor a list"],
  ['{"name":{"x":1}}', "invalid filter: the values of 'name' are neither a map nor a list"],
])("%s is refused", (text, refusal) => {
  expect(() => parseFilters(text, ["name"])).toThrow(refusal);
});

test.each<[wanted: string[], fits: boolean]>([
  [[], true],
  [["a"], true],
  [["a=1"], true],
  [["a="], true],
  [["a=2"], false],
  [["b"], true],
  [["c"], false],
  [["toString"], false],
  [["a=1", "b"], true],
  [["a=1", "c"], false],
  [["d=x=y"], true],
])("labels %j", (wanted, fits) => {
  expect(labelsFit(read({ label: wanted }), "label", { a: "1", b: "", d: "x=y" })).toBe(fits);
});

test.each<[pattern: string, fits: boolean]>([
  ["Front", true],
  ["front", false],
  ["vote", true],
  ["^vote", true],
  ["^Front", false],
  ["End$", true],
  ["vote$", false],
  ["^voteFrontEnd$", true],
  ["^vote$", false],
  ["", true],
  ["(a+)+$", false],
])("part %j of voteFrontEnd", (pattern, fits) => {
  expect(partFits("voteFrontEnd", pattern)).toBe(fits);
});
