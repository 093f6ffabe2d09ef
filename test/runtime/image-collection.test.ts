import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EventHub } from "../../src/daemon/event-hub.ts";
import { imageBackend } from "../../src/daemon/image-backend.ts";
import { type Clock, silentLog } from "../../src/lib/index.ts";
import { RegistryClient } from "../../src/registry/index.ts";
import type { CollectionLimits } from "../../src/runtime/image-collection.ts";
import { ImageCollector } from "../../src/runtime/image-collector.ts";
import { ImageUses } from "../../src/runtime/image-uses.ts";
import { SystemMounter } from "../../src/runtime/volume-mounter.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { systemClock, systemRandom } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage, pushImage } from "../support/image-maker.ts";
import { openNode, type TestNode } from "../support/test-containers.ts";

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let client: RegistryClient;
let folder = "";

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
  folder = mkdtempSync(join(tmpdir(), "shoal-collection-"));
  client = new RegistryClient({ log: silentLog, clock: systemClock });
  node = await openNode(containerd, registry, (dir) =>
    LocalVolumes.open({
      ...{ dir, clock: systemClock, random: systemRandom, log: silentLog },
      mounter: new SystemMounter("/dev/shm", systemClock),
    }),
  );
});
afterAll(async () => {
  await node?.end();
  await client?.close();
  await Promise.all([containerd?.stop(), registry?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** An image in the registry whose one layer beside the base is its own; its name. */
async function publish(name: string): Promise<string> {
  const layers = [busyboxFiles(), [{ name: "own", content: name }]];
  await pushImage(registry.url, name, "1", [await makeImage(layers, { config: { Env: ["PATH=/bin"] } })]);
  return `${registry.host}/${name}:1`;
}

const days = (count: number): Clock => ({
  ...systemClock,
  now: () => systemClock.now() + count * 86_400_000,
});
const tags = async () => (await node.images.list()).flatMap(({ repoTags }) => repoTags).sort();

test("images of tasks go with what only they had, those of people and of containers stay, and it is told", async () => {
  const [used, unused, hand] = [await publish("used"), await publish("unused"), await publish("hand")];
  for (const ref of [used, unused]) await node.images.ensure(ref);
  await node.images.pull(hand);
  const config = node.config(used, "exit 0");
  await node.containers().create(config);
  const events = new EventHub(systemClock);
  const parts = { images: node.images, containers: node.containers(), registry: client, events };
  const door = imageBackend(parts);
  const collect = (limits: CollectionLimits, clock: Clock) =>
    new ImageCollector({
      ...{ ...parts, limits, clock, log: silentLog },
      uses: new ImageUses(join(folder, "uses.json"), silentLog),
      disk: () => node.images.disk(),
      remove: (ref) => door.remove(ref, false),
    }).pass();

  const limits: CollectionLimits = { unusedMs: 7 * 86_400_000, disk: "off" };
  expect((await collect(limits, days(6))).removals).toEqual([]);
  const { id } = await node.images.inspect(unused);
  const before = node.ctr("snapshots", "ls").length;
  expect((await collect(limits, days(8))).removals).toEqual([{ id, because: "unused" }]);
  expect(await tags()).toEqual([hand, used].sort());
  // Its own layer; the base is others', too.
  expect(node.ctr("snapshots", "ls")).toHaveLength(before - 1);
  const stop = new AbortController();
  const told: string[] = [];
  for await (const { action, actor } of events.subscribe(0, stop.signal)) {
    told.push(`${action} ${actor}`);
    if (action === "delete" && actor === id) break;
  }
  expect(told).toEqual([`untag ${unused}`, expect.stringMatching(/^untag .*@sha256:/), `delete ${id}`]);

  const disk = (await node.images.disk())!;
  const { blocks, bsize } = statfsSync(tmpdir());
  expect(disk.usedBytes).toBeGreaterThan(0);
  expect(disk.totalBytes).toBeGreaterThan(disk.usedBytes);
  expect(disk.totalBytes).toBeLessThanOrEqual(blocks * bsize);
  // A disk that is fuller than it may be takes all that nobody uses, and not what was used just now.
  const full: CollectionLimits = { unusedMs: "off", disk: { above: 0.001, downTo: 0.0005 } };
  await node.images.ensure(unused);
  expect((await collect(full, systemClock)).removals).toEqual([]);
  expect((await collect(full, days(1))).removals).toMatchObject([{ because: "disk" }]);
  await node.containers().remove(config.id);
  expect((await collect(full, days(2))).removals).toMatchObject([{ because: "disk" }]);
  expect(await tags()).toEqual([hand]);
});
