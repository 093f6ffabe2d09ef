import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import type { Containers } from "./container.ts";
import type { Images, LocalImage } from "./image.ts";
import {
  type CollectionLimits,
  type CollectionPlan,
  type CollectionView,
  planCollection,
} from "./image-collection.ts";
import type { ImageUses } from "./image-uses.ts";

export interface CollectorParts {
  readonly images: Pick<Images, "list">;
  readonly containers: Pick<Containers, "list">;
  readonly uses: ImageUses;
  readonly limits: CollectionLimits;
  /** Of the file system that images lie on; undefined when that cannot be said. */
  disk(): Promise<CollectionView["disk"]>;
  /** Removes a name, and the image with its last one. Fault "conflict" when a container has come to use it. */
  remove(ref: string): Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

const PASS_MS = 300_000;

/** Removes images of ended tasks, so that a node's disk does not fill: a pass every five minutes. */
export class ImageCollector {
  readonly #parts: CollectorParts;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /** Until the signal aborts. A pass that fails is told, and the next one tries again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      await sleep(clock, PASS_MS, signal).catch(() => {});
      if (signal.aborted) return;
      await this.pass().catch((error: unknown) => {
        log.warn("images not collected", { error: messageOf(error) });
      });
    }
  }

  /** Notes what is in use, plans, and removes. */
  async pass(): Promise<CollectionPlan> {
    const { images, containers, uses, limits, disk, clock, log } = this.#parts;
    const now = clock.now();
    const used = new Set((await containers.list()).map(({ imageId }) => imageId));
    for (const id of used) uses.note(id, now);
    const all = await images.list();
    await uses.keep(new Set(all.map(({ id }) => id)));
    const view = all.map((image) => ({
      ...image,
      isUsed: used.has(image.id),
      lastUsedAt: Math.max(image.taggedAt, uses.lastOf(image.id) ?? 0),
    }));
    const plan = planCollection({ now, images: view, disk: await disk() }, limits);
    for (const { id, because } of plan.removals) {
      const image = view.find((one) => one.id === id);
      if (image === undefined || (uses.lastOf(id) ?? 0) > image.lastUsedAt) continue;
      log.info("removing an image of ended tasks", { image: image.repoTags[0] ?? id, because });
      await this.#remove(image);
    }
    return plan;
  }

  /** Name by name; one that a container has come to use meanwhile stays. */
  async #remove({ id, repoTags }: LocalImage): Promise<void> {
    for (const ref of repoTags.length > 0 ? repoTags : [id]) {
      try {
        await this.#parts.remove(ref);
      } catch (error) {
        if (!Fault.is(error, "conflict") && !Fault.is(error, "not-found")) throw error;
      }
    }
  }
}
