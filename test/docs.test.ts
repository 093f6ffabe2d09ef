import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { FAULT_KINDS } from "../src/lib/index.ts";

const root = resolve(import.meta.dirname, "..");
const firstCells = (page: string): string[] =>
  [...readFileSync(resolve(root, page), "utf8").matchAll(/^\| ([@a-z][^ |]*) \|/gm)].map((m) => m[1] ?? "");

test("docs/errors.md lists exactly the kinds there are", () => {
  expect(firstCells("docs/errors.md").filter((c) => c !== "kind")).toEqual([...FAULT_KINDS]);
});

test("docs/dependencies.md has a sentence for exactly the runtime dependencies, fewer than a dozen", () => {
  const { dependencies } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const listed = firstCells("docs/dependencies.md").filter((c) => c !== "package");
  expect(new Set(listed)).toEqual(new Set(Object.keys(dependencies)));
  expect(listed.length).toBeLessThan(12);
});
