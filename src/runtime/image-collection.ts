import type { Instant } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";

/** When images go that nobody asked to keep. */
export interface CollectionLimits {
  /** Unused for so long; "off": age alone is no reason. */
  readonly unusedMs: number | "off";
  /** Percent of the disk: above the first, images go until the second is reached; "off": a full disk is no reason. */
  readonly disk: { readonly above: number; readonly downTo: number } | "off";
}

/** An image as far as collecting looks at it. */
export interface CollectableImage {
  readonly id: Digest;
  /** Only pulls for tasks brought it here: nobody pulled, loaded or named it by hand. */
  readonly isForTasks: boolean;
  /** A container was made from it and is still there. */
  readonly isUsed: boolean;
  readonly lastUsedAt: Instant;
  /** Its layers and their bytes, base first; a layer counts with all that it lies on. */
  readonly layers: readonly Digest[];
  readonly layerBytes: readonly number[];
}

export interface CollectionView {
  readonly now: Instant;
  readonly images: readonly CollectableImage[];
  /** Of the file system that images lie on; undefined when nobody knows. */
  readonly disk: { readonly usedBytes: number; readonly totalBytes: number } | undefined;
}

export interface CollectionPlan {
  /** Longest unused first. */
  readonly removals: readonly { readonly id: Digest; readonly because: "unused" | "disk" }[];
}

/** What was just pulled, or just lost its last container, may be wanted in a moment. */
export const GRACE_MS = 600_000;

/**
 * Which images go: of those that only tasks brought here and that no container has, the ones unused for longer than the limit; then, on a
 * disk that is too full, the longest unused until it would not be. Shared layers free nothing while another image has them.
 */
export function planCollection(view: CollectionView, limits: CollectionLimits): CollectionPlan {
  const { now, images } = view;
  const candidates = images
    .filter((image) => image.isForTasks && !image.isUsed && now - image.lastUsedAt >= GRACE_MS)
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt || (a.id < b.id ? -1 : 1));
  const layers = new LayerCounts(images);
  let excess = excessOf(view, limits);
  const removals: CollectionPlan["removals"][number][] = [];
  for (const image of candidates) {
    const isOld = limits.unusedMs !== "off" && now - image.lastUsedAt > limits.unusedMs;
    if (!isOld && excess <= 0) break;
    removals.push({ id: image.id, because: isOld ? "unused" : "disk" });
    excess -= layers.drop(image);
  }
  return { removals };
}

/** Bytes that are to be freed; 0 for a disk that has room. */
function excessOf({ disk }: CollectionView, { disk: limits }: CollectionLimits): number {
  if (disk === undefined || limits === "off") return 0;
  const { usedBytes, totalBytes } = disk;
  if (usedBytes <= (totalBytes * limits.above) / 100) return 0;
  return usedBytes - (totalBytes * limits.downTo) / 100;
}

/** How many images have each layer. */
class LayerCounts {
  readonly #counts = new Map<string, number>();

  constructor(images: readonly CollectableImage[]) {
    for (const image of images)
      for (const key of keysOf(image)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** The bytes that only this image had. */
  drop(image: CollectableImage): number {
    let freed = 0;
    for (const [i, key] of keysOf(image).entries()) {
      const left = (this.#counts.get(key) ?? 1) - 1;
      this.#counts.set(key, left);
      if (left === 0) freed += image.layerBytes[i] ?? 0;
    }
    return freed;
  }
}

/** A layer on another base is another snapshot. */
function keysOf({ layers }: CollectableImage): string[] {
  return layers.map((_, i) => layers.slice(0, i + 1).join());
}
