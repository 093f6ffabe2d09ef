import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compareTrees, pathsIn, whiteoutOf } from "./tree.ts";

let root: string;
let before: string;
let after: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "shoal-tree-"));
  [before, after] = [join(root, "before"), join(root, "after")];
  mkdirSync(join(before, "usr/bin"), { recursive: true });
  mkdirSync(join(before, "old/deep"), { recursive: true });
  writeFileSync(join(before, "usr/bin/sh"), "shell");
  writeFileSync(join(before, "old/deep/file"), "x");
  symlinkSync("usr/bin", join(before, "bin"));
  execFileSync("cp", ["-a", before, after]);
});

afterEach(() => rmSync(root, { recursive: true }));

test("paths come parents first, and a link to a folder is not entered", () => {
  expect(pathsIn(before)).toEqual([
    "bin",
    "old",
    "old/deep",
    "old/deep/file",
    "usr",
    "usr/bin",
    "usr/bin/sh",
  ]);
});

test("a copy does not differ", () => {
  expect(compareTrees(before, after)).toEqual({ changed: [], removed: [] });
});

test("what is new comes with the folders that lead to it", () => {
  mkdirSync(join(after, "usr/lib"));
  writeFileSync(join(after, "usr/lib/so"), "");
  expect(compareTrees(before, after).changed).toEqual(["usr", "usr/lib", "usr/lib/so"]);
});

test.each<[string, (path: string) => void]>([
  ["content", (path) => writeFileSync(path, "other")],
  ["time", (path) => utimesSync(path, 1, 1)],
  ["mode", (path) => chmodSync(path, 0o700)],
])("a change of %s is seen", (_, change) => {
  change(join(after, "usr/bin/sh"));
  expect(compareTrees(before, after).changed).toEqual(["usr", "usr/bin", "usr/bin/sh"]);
});

test("a link that leads elsewhere is changed", () => {
  rmSync(join(after, "bin"));
  symlinkSync("usr/sbin", join(after, "bin"));
  expect(compareTrees(before, after)).toEqual({ changed: ["bin"], removed: [] });
});

test("a removed folder is named once, not with all that was in it", () => {
  rmSync(join(after, "old"), { recursive: true });
  expect(compareTrees(before, after)).toEqual({ changed: [], removed: ["old"] });
});

test("a whiteout stands beside what it takes away", () => {
  expect(whiteoutOf("usr/bin/sh")).toBe("usr/bin/.wh.sh");
  expect(whiteoutOf("top")).toBe(".wh.top");
});
