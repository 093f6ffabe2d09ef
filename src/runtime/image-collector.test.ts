import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, silentLog } from "../lib/index.ts";
import type { ContainerState } from "./container.ts";
import { ImageCollector } from "./image-collector.ts";
import { ImageUses } from "./image-uses.ts";
import { FakeImages } from "./images.fake.ts";

const DAY = 86_400_000;

let folder: string;
let clock: FakeClock;
let images: FakeImages;
let used: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-collector-"));
  [clock, images, used] = [new FakeClock(), new FakeImages(), []];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A collector as a new shoald makes it: what it knows of earlier uses comes from the file. */
function open(disk: { usedBytes: number; totalBytes: number } | undefined = undefined) {
  const uses = new ImageUses(join(folder, "uses.json"), silentLog);
  const remove = (ref: string) => images.remove(ref, { usersOf: async () => [] });
  const containers = { list: async () => used.map((imageId) => ({ imageId }) as ContainerState) };
  const collector = new ImageCollector({
    ...{ images, containers, uses, clock, remove, log: silentLog, disk: async () => disk },
    limits: { unusedMs: 7 * DAY, disk: { above: 85, downTo: 80 } },
  });
  return { collector, uses };
}

async function ensure(name: string): Promise<string> {
  images.publish(name);
  return (await images.ensure(name)).id;
}

const names = async () => (await images.list()).flatMap(({ repoTags }) => repoTags).sort();

test("an image goes so long after its last use as the limit says, through restarts of the daemon", async () => {
  const id = await ensure("app:1");
  used = [id];
  await open().collector.pass();
  used = [];
  await clock.advance(6 * DAY);
  await open().collector.pass();
  expect(await names()).toEqual(["app:1"]);
  await clock.advance(DAY + 1);
  await open().collector.pass();
  expect(await names()).toEqual([]);
  await open().collector.pass();
  expect(readFileSync(join(folder, "uses.json"), "utf8")).toBe("{}");
});

test("what a person pulled stays; so does what a task asked for again", async () => {
  images.publish("mine:1");
  await images.pull("mine:1");
  const id = await ensure("app:1");
  const { collector, uses } = open();
  uses.note(id, clock.now());
  await clock.advance(8 * DAY);
  uses.note(id, clock.now());
  await collector.pass();
  expect(await names()).toEqual(["app:1", "mine:1"]);
  await clock.advance(8 * DAY);
  await collector.pass();
  expect(await names()).toEqual(["mine:1"]);
});

test("on a full disk the longest unused goes first, by all of its names", async () => {
  for (const [i, name] of ["app:1", "app:2"].entries()) open().uses.note(await ensure(name), clock.now() + i);
  const { collector, uses } = open({ usedBytes: 90, totalBytes: 100 });
  for (const [i, { id }] of (await images.list()).entries()) uses.note(id, clock.now() + i);
  await clock.advance(DAY);
  const { removals } = await collector.pass();
  expect(removals.map(({ because }) => because)).toEqual(["disk", "disk"]);
  expect(await names()).toEqual([]);
});

test("a pass every five minutes, also after one that failed; a broken file is begun anew", async () => {
  writeFileSync(join(folder, "uses.json"), "{ half");
  const id = await ensure("app:1");
  const { collector, uses } = open();
  uses.note(id, clock.now());
  const stop = new AbortController();
  const running = collector.run(stop.signal);
  const { list } = images;
  images.list = async () => {
    throw new Error("containerd is away");
  };
  await clock.advance(7 * DAY);
  images.list = list;
  expect(await names()).toEqual(["app:1"]);
  await clock.advance(300_000);
  await expect.poll(names).toEqual([]);
  stop.abort();
  await running;
});
