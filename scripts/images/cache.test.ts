import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cached, contentOf, keyOf } from "./cache.ts";

let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "shoal-cache-"));
});

afterEach(() => rmSync(cache, { recursive: true, force: true }));

test("a key tells apart what is only cut differently", () => {
  expect(keyOf(["a", "bc"])).not.toBe(keyOf(["ab", "c"]));
  expect(keyOf(["a", "bc"])).toBe(keyOf(["a", "bc"]));
});

test("content changes with a file's text and name, and not with files that are not wanted", () => {
  mkdirSync(join(cache, "in"));
  writeFileSync(join(cache, "in/a.ts"), "1");
  writeFileSync(join(cache, "in/a.test.ts"), "2");
  const wanted = (name: string) => !name.endsWith(".test.ts");
  expect(contentOf(cache, ["in"], wanted)).toEqual(["in/a.ts", "1"]);
});

test("a folder is made once", async () => {
  let made = 0;
  const make = async (folder: string) => writeFileSync(join(folder, "n"), String(++made));
  const first = await cached(cache, "thing", "k", make);
  expect(await cached(cache, "thing", "k", make)).toBe(first);
  expect(readFileSync(join(first, "n"), "utf8")).toBe("1");
});

test("callers at the same time share one making", async () => {
  let made = 0;
  const make = async (folder: string) => {
    made++;
    await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(join(folder, "n"), "");
  };
  const folders = await Promise.all(Array.from({ length: 8 }, () => cached(cache, "thing", "k", make)));
  expect(new Set(folders).size).toBe(1);
  expect(made).toBe(1);
});

test("a failed making leaves nothing, and the next caller makes it", async () => {
  const fail = cached(cache, "thing", "k", async (folder) => {
    writeFileSync(join(folder, "half"), "");
    throw new Error("no luck");
  });
  await expect(fail).rejects.toThrow("no luck");
  expect(readdirSync(cache)).toEqual([]);
  const folder = await cached(cache, "thing", "k", async (aside) => writeFileSync(join(aside, "whole"), ""));
  expect(readdirSync(folder)).toEqual(["whole"]);
});

test("a maker that is killed half-way frees those who wait, and what it left is replaced", async () => {
  const script = `
    import { writeFileSync } from "node:fs";
    import { cached } from ${JSON.stringify(join(import.meta.dirname, "cache.ts"))};
    await cached(${JSON.stringify(cache)}, "thing", "k", async (folder) => {
      writeFileSync(folder + "/half", "");
      process.stdout.write("making");
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
    });`;
  const argv = ["--import", "tsx", "--input-type=module", "--eval", script];
  const maker = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(maker.stdout, "data");
  const waiting = cached(cache, "thing", "k", async (aside) => writeFileSync(join(aside, "whole"), ""));
  maker.kill("SIGKILL");
  expect(readdirSync(await waiting)).toEqual(["whole"]);
  expect(readdirSync(cache)).toEqual(["thing-k"]);
});

test("folders that nobody asked for in days are taken away when another is made", async () => {
  const nothing = async () => undefined;
  const old = await cached(cache, "thing", "old", nothing);
  const young = await cached(cache, "thing", "young", nothing);
  utimesSync(old, 0, 0);
  await cached(cache, "thing", "new", nothing);
  expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
});
