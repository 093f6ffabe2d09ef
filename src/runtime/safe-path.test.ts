import {
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBeneath, pathOf } from "./safe-path.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "shoal-safe-"));
  mkdirSync(join(base, "v/a/b"), { recursive: true });
  mkdirSync(join(base, "out"));
  writeFileSync(join(base, "v/file"), "");
  symlinkSync("a/b", join(base, "v/inside"));
  symlinkSync("../out", join(base, "v/leak"));
  symlinkSync(join(base, "out"), join(base, "v/a/absolute"));
  symlinkSync("/", join(base, "v/root"));
  symlinkSync("loop", join(base, "v/loop"));
});
afterEach(() => rmSync(base, { recursive: true }));

/** Where a subpath of the volume leads, from the volume. */
async function found(subpath: string): Promise<string> {
  const part = await openBeneath(join(base, "v"), subpath);
  try {
    return readlinkSync(pathOf(part)).slice(base.length + 2);
  } finally {
    await part.close();
  }
}

test.each([
  ["a/b", "/a/b"],
  ["a/../a//b/.", "/a/b"],
  ["file", "/file"],
  ["inside", "/a/b"],
  [".", ""],
])("%s is %s", async (subpath, is) => {
  expect(await found(subpath)).toBe(is);
});

test.each(["leak", "a/absolute", "root/etc", "../out", "inside/../../out", "root"])(
  "%s leads out, and is refused",
  async (subpath) => {
    await expect(found(subpath)).rejects.toMatchObject({
      kind: "invalid",
      message: `path concatenation escapes the base directory, base: ${base}/v, subpath: ${subpath}`,
    });
  },
);

test.each([
  ["a/nope", "a/nope: no such file or directory"],
  ["file/x", "file/x: not a directory"],
  ["loop", "loop: too many levels of symbolic links"],
])("%s is not there", async (subpath, why) => {
  await expect(found(subpath)).rejects.toMatchObject({
    kind: "not-found",
    message: `cannot access path ${base}/v/${why}`,
  });
});

test("what is held stays what it was when its place is taken by a link", async () => {
  const part = await openBeneath(join(base, "v"), "a/b");
  renameSync(join(base, "v/a/b"), join(base, "v/a/kept"));
  symlinkSync("/etc", join(base, "v/a/b"));
  expect(readlinkSync(pathOf(part))).toBe(join(base, "v/a/kept"));
  await part.close();
});
