import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type CollectableImage,
  type CollectionLimits,
  type CollectionView,
  GRACE_MS,
  planCollection,
} from "./image-collection.ts";

const DAY = 86_400_000;
const NOW = 1_000 * DAY;
const LIMITS: CollectionLimits = { unusedMs: 7 * DAY, disk: { above: 85, downTo: 80 } };

const image = (id: string, days: number, more: Partial<CollectableImage> = {}): CollectableImage => ({
  ...{ id: `sha256:${id}`, isForTasks: true, isUsed: false, lastUsedAt: NOW - days * DAY },
  ...{ layers: [`sha256:l-${id}`], layerBytes: [10] },
  ...more,
});
const disk = (usedBytes: number) => ({ usedBytes, totalBytes: 100 });
const gone = (images: CollectableImage[], used = 0, limits = LIMITS) =>
  planCollection({ now: NOW, images, disk: disk(used) }, limits).removals.map(
    ({ id, because }) => `${id.slice(7)} ${because}`,
  );

test("what nobody used for longer than the limit goes, and only that, while the disk has room", () => {
  expect(gone([image("a", 8), image("b", 6.9), image("c", 30)], 85)).toEqual(["c unused", "a unused"]);
});

test("what is used, or was brought by hand, or was in use just now, stays, however full the disk is", () => {
  const images = [
    image("used", 30, { isUsed: true }),
    image("hand", 30, { isForTasks: false }),
    image("fresh", 0, { lastUsedAt: NOW - GRACE_MS + 1 }),
  ];
  expect(gone(images, 100)).toEqual([]);
});

test("on a disk that is too full the longest unused go, until it is not", () => {
  const images = [image("a", 1), image("b", 3), image("c", 2)];
  expect(gone(images, 86)).toEqual(["b disk"]);
  expect(gone(images, 91)).toEqual(["b disk", "c disk"]);
  const low = { ...LIMITS, disk: { above: 85, downTo: 70 } };
  expect(gone(images, 95, low)).toEqual(["b disk", "c disk", "a disk"]);
  expect(gone([...images, image("old", 8)], 86)).toEqual(["old unused"]);
});

test("a layer that others have frees nothing", () => {
  const base = ["sha256:base", "sha256:l"];
  const one = image("a", 5, { layers: [...base, "sha256:x"], layerBytes: [50, 10, 1] });
  const two = image("b", 4, { layers: base, layerBytes: [50, 10] });
  // The same bytes on another base are another layer.
  const three = image("c", 3, { layers: ["sha256:l"], layerBytes: [10] });
  expect(gone([one, two, three], 86)).toEqual(["a disk", "b disk"]);
});

test("each reason can be off, and a disk that nobody knows is no reason", () => {
  const images = [image("a", 30)];
  expect(gone(images, 100, { unusedMs: "off", disk: "off" })).toEqual([]);
  expect(gone(images, 100, { ...LIMITS, unusedMs: "off" })).toEqual(["a disk"]);
  expect(gone(images, 100, { ...LIMITS, disk: "off" })).toEqual(["a unused"]);
  expect(planCollection({ now: NOW, images: [image("a", 1)], disk: undefined }, LIMITS).removals).toEqual([]);
});

const mostly = (value: boolean) => fc.integer({ min: 0, max: 5 }).map((dice) => dice > 0 === value);

const anImage = (id: number): fc.Arbitrary<CollectableImage> =>
  fc
    .record({
      isForTasks: mostly(true),
      isUsed: mostly(false),
      lastUsedAt: fc.integer({ min: NOW - 20 * DAY, max: NOW + DAY }),
      layers: fc.array(fc.constantFrom("sha256:1", "sha256:2", "sha256:3"), { maxLength: 4 }),
    })
    .map((one) => ({
      ...one,
      id: `sha256:${id}`,
      layerBytes: one.layers.map((l) => Number(l.slice(7)) * 10),
    }));

const aView: fc.Arbitrary<CollectionView> = fc
  .integer({ min: 0, max: 8 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => anImage(i))))
  .chain((images) =>
    fc.integer({ min: Math.max(700, bytesOf(images)), max: 1_000 }).map((usedBytes) => ({
      ...{ now: NOW, images },
      disk: { usedBytes, totalBytes: 1_000 },
    })),
  );

/** What images take, each layer once. */
function bytesOf(images: readonly CollectableImage[]): number {
  const layers = images.flatMap(({ layers, layerBytes }) =>
    layers.map((_, i) => [layers.slice(0, i + 1).join(), layerBytes[i] ?? 0] as const),
  );
  return [...new Map(layers).values()].reduce((sum, bytes) => sum + bytes, 0);
}

test("only candidates go, the longest unused first, none in vain; and what was carried out needs no plan", () => {
  fc.assert(
    fc.property(aView, (view) => {
      const { removals } = planCollection(view, LIMITS);
      const ids = new Set(removals.map(({ id }) => id));
      const [out, kept] = [
        view.images.filter(({ id }) => ids.has(id)),
        view.images.filter(({ id }) => !ids.has(id)),
      ];
      expect(out.filter(({ isUsed, isForTasks }) => isUsed || !isForTasks)).toEqual([]);
      const spared = kept.filter((one) => one.isForTasks && !one.isUsed && NOW - one.lastUsedAt >= GRACE_MS);
      const last = Math.max(...out.map(({ lastUsedAt }) => lastUsedAt));
      for (const one of spared) {
        expect(one.lastUsedAt).toBeGreaterThanOrEqual(last);
        expect(NOW - one.lastUsedAt).toBeLessThanOrEqual(7 * DAY);
      }
      const usedBytes = view.disk!.usedBytes - (bytesOf(view.images) - bytesOf(kept));
      const after = { ...view, images: kept, disk: { usedBytes, totalBytes: 1_000 } };
      expect(planCollection(after, LIMITS).removals).toEqual([]);
      if (removals.some(({ because }) => because === "disk") && spared.length > 0)
        expect(usedBytes).toBeLessThanOrEqual(800);
      // Without the last one there was still a reason.
      if (removals.at(-1)?.because !== "disk") return;
      const most = view.images.filter(({ id }) => id === removals.at(-1)?.id || !ids.has(id));
      expect(view.disk!.usedBytes - (bytesOf(view.images) - bytesOf(most))).toBeGreaterThan(800);
    }),
    { numRuns: 300 },
  );
});
