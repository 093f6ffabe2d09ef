import { Fault } from "../../lib/index.ts";
import { type Filters, parseFilters, pruneTest, someFits } from "../../wire/index.ts";
import type { Backends, ContainerInfo, ImageBackend, ImageInfo } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json } from "../route.ts";
import { isTrue } from "./container-filters.ts";

type Removal = Awaited<ReturnType<ImageBackend["remove"]>>[number];

/**
 * POST /images/prune: removes images that no container was made from: those without a tag, or with `dangling=false` all
 * (moby daemon/images/image_prune.go).
 */
export async function pruneImages(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const filters = parseFilters(request.query.get("filters"), ["dangling", "label", "label!", "until"]);
  const goes = pruneTest(filters, request.clock.now());
  const isDangling = someFits(filters, "dangling", (value) => isTrue("dangling", value));
  const { images, containers } = backends;
  const used = new Set((await containers.list()).map(({ imageId }) => imageId));
  const removed: Removal[] = [];
  let bytes = 0;
  for (const image of await images.list()) {
    if (used.has(image.id) || (isDangling && image.repoTags.length > 0)) continue;
    if (!goes({ createdAt: image.createdAt ?? 0, labels: image.labels })) continue;
    const rows = await removeImage(images, image);
    removed.push(...rows);
    bytes += reclaimed(image, rows);
  }
  const rows = removed.map((row) =>
    "untagged" in row ? { Untagged: row.untagged } : { Deleted: row.deleted },
  );
  return json(200, { ImagesDeleted: rows.length > 0 ? rows : null, SpaceReclaimed: bytes });
}

/** Tag by tag: one that a container has come to use meanwhile is left alone. */
async function removeImage(images: ImageBackend, { id, repoTags }: ImageInfo): Promise<Removal[]> {
  const removed: Removal[] = [];
  for (const ref of repoTags.length > 0 ? repoTags : [id]) {
    removed.push(...((await unlessUsed(images.remove(ref, false))) ?? []));
  }
  return removed;
}

/** Layers go from the top down; those that others lie on stay. */
function reclaimed({ id, layerBytes }: ImageInfo, rows: readonly Removal[]): number {
  const layers = rows.filter((row) => "deleted" in row && row.deleted !== id).length;
  return layers === 0 ? 0 : layerBytes.slice(-layers).reduce((sum, bytes) => sum + bytes, 0);
}

/** POST /volumes/prune: volumes that no container has; without `all` only those that nobody named (API 1.42). */
export async function pruneVolumes(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const filters = parseFilters(request.query.get("filters"), ["all", "label", "label!"]);
  const goes = pruneTest(filters, request.clock.now());
  const { volumes, containers } = backends;
  const used = usedVolumes(await containers.list());
  const deleted: string[] = [];
  let bytes = 0;
  for (const volume of await volumes.list()) {
    const isAsked = volume.anonymous || prunesNamed(filters, request.version);
    // As with Docker, one with mount options is left: its bytes are elsewhere.
    const isOwn = Object.keys(volume.options).length === 0;
    if (used.has(volume.name) || !isAsked || !isOwn || !goes(volume)) continue;
    const size = await volumes.bytesOf(volume.name);
    const done = await unlessUsed(volumes.remove(volume.name, false).then(() => volume.name));
    if (done === undefined) continue;
    deleted.push(done);
    bytes += size;
  }
  return json(200, { VolumesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: bytes });
}

/** Before 1.42 there was no `all`, and named ones went as well. */
function prunesNamed(filters: Filters, version: string): boolean {
  if (Number(version.split(".")[1]) < 42) return true;
  return filters.has("all") && someFits(filters, "all", (value) => isTrue("all", value));
}

/** How many containers have each volume. */
export function usedVolumes(containers: readonly ContainerInfo[]): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const name of containers.flatMap((c) => c.mounts.flatMap((mount) => mount.name ?? [])))
    used.set(name, (used.get(name) ?? 0) + 1);
  return used;
}

/** Undefined: somebody was quicker, with a container or a removal. */
async function unlessUsed<T>(removal: Promise<T>): Promise<T | undefined> {
  try {
    return await removal;
  } catch (error) {
    if (Fault.is(error, "conflict") || Fault.is(error, "not-found")) return undefined;
    throw error;
  }
}
