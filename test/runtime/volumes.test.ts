import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { fillVolume } from "../../src/runtime/volume-fill.ts";
import { volumesContract } from "../../src/runtime/volumes.contract.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { execOk, systemClock, systemRandom } from "../../src/sys/index.ts";

const wanted = { name: "data", labels: {}, options: {}, driver: "local" };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-volumes-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = () =>
  LocalVolumes.open({
    dir: join(folder, "volumes"),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });

/** A folder of an image: its own owner and mode, a file, links, a pipe, a nested folder. */
async function imageFolder(): Promise<string> {
  const source = join(folder, "image");
  mkdirSync(join(source, "sub"), { recursive: true });
  writeFileSync(join(source, "sub", "file"), "hello", { mode: 0o640 });
  chownSync(join(source, "sub", "file"), 70, 71);
  utimesSync(join(source, "sub", "file"), 1000, 2000);
  symlinkSync("/etc/passwd", join(source, "absolute"));
  execFileSync("ln", [join(source, "sub", "file"), join(source, "hard")]);
  await execOk(["mkfifo", join(source, ".pipe")]);
  chownSync(source, 999, 998);
  chmodSync(source, 0o1750);
  return source;
}

volumesContract("LocalVolumes", open);

test("volumes are there after a restart, half-made and half-removed ones are not", async () => {
  const made = await (await open()).create({ ...wanted, labels: { a: "b" } });
  expect(made.path).toBe(join(folder, "volumes", "data", "_data"));
  expect(statSync(made.path).mode & 0o7777).toBe(0o755);
  mkdirSync(join(folder, "volumes", "half", "_data"), { recursive: true });
  mkdirSync(join(folder, "volumes", ".removed-1", "_data"), { recursive: true });
  const again = await open();
  expect(await again.list()).toEqual([made]);
  expect(readdirSync(join(folder, "volumes")).sort()).toEqual(["data", "half"]);
  await again.remove("data", { force: false, usedBy: [] });
  expect(existsSync(join(folder, "volumes", "data"))).toBe(false);
});

test("an empty volume takes over a folder with all its properties", async () => {
  const { path } = await (await open()).create(wanted);
  await fillVolume(path, await imageFolder());
  expect(readdirSync(path).sort()).toEqual([".pipe", "absolute", "hard", "sub"]);
  const root = statSync(path);
  expect([root.uid, root.gid, root.mode & 0o7777]).toEqual([999, 998, 0o1750]);
  const file = statSync(join(path, "sub", "file"));
  expect([file.uid, file.gid, file.mode & 0o7777, file.mtimeMs]).toEqual([70, 71, 0o640, 2_000_000]);
  expect(statSync(join(path, "hard")).ino).toBe(file.ino);
  expect(readlinkSync(join(path, "absolute"))).toBe("/etc/passwd");
  expect(lstatSync(join(path, ".pipe")).isFIFO()).toBe(true);
  expect(readdirSync(join(path, "..")).sort()).toEqual(["_data", "volume.json"]);
});

test("a volume that holds anything is left as it is", async () => {
  const { path } = await (await open()).create(wanted);
  writeFileSync(join(path, "mine"), "1");
  const before = statSync(path);
  await fillVolume(path, await imageFolder());
  expect(readdirSync(path)).toEqual(["mine"]);
  expect(statSync(path)).toMatchObject({ uid: before.uid, mode: before.mode });
});

test("an empty folder gives its owner and mode; a missing one, or a file, nothing", async () => {
  const volumes = await open();
  const [one, two] = [await volumes.create(wanted), await volumes.create({ ...wanted, name: "two" })];
  const source = join(folder, "empty");
  mkdirSync(source);
  chownSync(source, 5, 6);
  await fillVolume(one.path, source);
  expect(statSync(one.path)).toMatchObject({ uid: 5, gid: 6 });
  await fillVolume(two.path, join(folder, "missing"));
  writeFileSync(join(folder, "file"), "");
  await fillVolume(two.path, join(folder, "file"));
  expect(statSync(two.path).uid).toBe(0);
  expect(readdirSync(two.path)).toEqual([]);
});

test("fills at once fill once", async () => {
  const { path } = await (await open()).create(wanted);
  const source = await imageFolder();
  await Promise.all([fillVolume(path, source), fillVolume(path, source), fillVolume(path, source)]);
  expect(readFileSync(join(path, "sub", "file"), "utf8")).toBe("hello");
});

test("a copy that a crash cut off is made again", async () => {
  const { path } = await (await open()).create(wanted);
  mkdirSync(join(path, "..", ".filling", "sub"), { recursive: true });
  writeFileSync(join(path, "..", ".filling", "sub", "file"), "hel");
  await (await open()).create(wanted);
  expect(readdirSync(path)).toEqual([]);
  await fillVolume(path, await imageFolder());
  expect(readFileSync(join(path, "sub", "file"), "utf8")).toBe("hello");
});

test("a whole copy that a crash kept from moving in is moved in at the next use", async () => {
  const { path } = await (await open()).create(wanted);
  const filled = join(path, "..", ".filled");
  execFileSync("cp", ["--archive", await imageFolder(), filled]);
  renameSync(join(filled, "hard"), join(path, "hard"));
  writeFileSync(join(path, "absolute"), "a container was quicker");
  await (await open()).create(wanted);
  expect(readdirSync(path).sort()).toEqual([".pipe", "absolute", "hard", "sub"]);
  expect(readFileSync(join(path, "absolute"), "utf8")).toBe("a container was quicker");
  expect(statSync(path).uid).toBe(999);
  expect(existsSync(filled)).toBe(false);
});

test("a container that has the empty volume open sees what comes in", async () => {
  const { path } = await (await open()).create(wanted);
  const before = statSync(path).ino;
  await fillVolume(path, await imageFolder());
  expect(statSync(path).ino).toBe(before);
});
