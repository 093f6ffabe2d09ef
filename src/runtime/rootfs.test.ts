import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readIn, resolveIn } from "./rootfs.ts";

let dir = "";
let root = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-rootfs-"));
  root = join(dir, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(root, "usr/share"), { recursive: true });
  writeFileSync(join(dir, "secret"), "secret");
  writeFileSync(join(root, "etc/passwd"), "inside");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test.each([
  ["/etc/passwd", "etc/passwd"],
  ["etc//./passwd", "etc/passwd"],
  ["/../../etc/passwd", "etc/passwd"],
  ["/", ""],
  ["/absolute", "etc/passwd"],
  ["/usr/share/relative", "etc/passwd"],
  ["/usr/share/up", "etc/passwd"],
  ["/folder/passwd", "etc/passwd"],
  ["/nothing", undefined],
  ["/etc/passwd/below", undefined],
  ["/dangling", undefined],
])("%s is %s", async (path, expected) => {
  symlinkSync("/etc/passwd", join(root, "absolute"));
  symlinkSync("../../etc/passwd", join(root, "usr/share/relative"));
  symlinkSync("../../../../../../../etc/passwd", join(root, "usr/share/up"));
  symlinkSync("usr/../etc", join(root, "folder"));
  symlinkSync("/nowhere/at/all", join(root, "dangling"));
  const real = await resolveIn(root, path);
  expect(real).toBe(
    expected === undefined ? undefined : [root, ...expected.split("/").filter(Boolean)].join("/"),
  );
});

test("no link leads out", async () => {
  symlinkSync(join(dir, "secret"), join(root, "out"));
  symlinkSync("../secret", join(root, "out2"));
  expect(await readIn(root, "/out", 100)).toBe("");
  expect(await readIn(root, "/out2", 100)).toBe("");
});

test("links in a circle end", async () => {
  symlinkSync("b", join(root, "a"));
  symlinkSync("a", join(root, "b"));
  await expect(resolveIn(root, "/a")).rejects.toThrow("too many links");
});

test("only regular files of a sane size are read, and nothing hangs", async () => {
  execFileSync("mkfifo", [join(root, "etc/group")]);
  expect(await readIn(root, "/etc/passwd", 100)).toBe("inside");
  expect(await readIn(root, "/etc/group", 100)).toBe("");
  expect(await readIn(root, "/etc", 100)).toBe("");
  await expect(readIn(root, "/etc/passwd", 3)).rejects.toThrow(
    "cannot read /etc/passwd of the image: over 3 bytes",
  );
});
