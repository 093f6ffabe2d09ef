import { expect, test } from "vitest";
import { countsOf } from "./counts.ts";
import { resultPage } from "./page.ts";

test("counts come as numbers, and a choice without votes has none", () => {
  expect(countsOf([])).toEqual({ a: 0, b: 0 });
  expect(countsOf([{ vote: "a", count: "12" }])).toEqual({ a: 12, b: 0 });
  const rows = ["b", "x", "a"].map((vote, i) => ({ vote, count: String(i + 1) }));
  expect(countsOf(rows)).toEqual({ a: 3, b: 1 });
});

test("the page asks for the counts that /api/votes gives", () => {
  const html = resultPage({ a: "Cats", b: "<Dogs>" });
  expect(html).toContain('fetch("/api/votes")');
  expect(html).toContain("&lt;Dogs&gt;");
  expect(html).not.toContain("<Dogs>");
});
