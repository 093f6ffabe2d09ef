import { type Clock, Fault, type Log, newId, type Random } from "../lib/index.ts";
import { type Digest, familiarReference, formatReference, type Reference } from "../registry/index.ts";
import type { ContainerdAddress } from "./image-client.ts";
import { ORIGIN_LABEL } from "./image-labels.ts";
import type { LayerStore } from "./image-layers.ts";
import { type ImageLease, openLease } from "./image-lease.ts";
import { writeDocument } from "./image-pull.ts";
import { putRecord } from "./image-records.ts";
import { readArchive } from "./load-archive.ts";
import { type ArchivedImage, imagesIn } from "./load-images.ts";

/** An image that came in; without a name it is known by its id alone. */
export interface LoadedImage {
  readonly id: Digest;
  /** Familiar form, for `Loaded image: X`; empty: `Loaded image ID: sha256:…`. */
  readonly names: readonly string[];
}

export interface LoadParts {
  readonly address: ContainerdAddress;
  readonly layers: LayerStore;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called before a name is pointed to a digest. */
  makeRoom(ref: Reference, digest: Digest): Promise<void>;
}

/**
 * Takes in an archive: blobs as they pass by, then the documents, then the names. Until the names are there only a
 * lease holds it all, so a broken archive leaves nothing. Fault "invalid" says what is wrong with the archive.
 */
export async function loadArchive(
  parts: LoadParts,
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal = new AbortController().signal,
): Promise<LoadedImage[]> {
  const lease = await openLease(parts.address, `shoal-load-${newId(parts.random)}`, parts.clock.now());
  try {
    const contents = await readArchive({ ...parts, lease, signal }, archive);
    const images = imagesIn(contents, parts.platform);
    for (const image of images) await takeIn(parts, lease, image, signal);
    const loaded: LoadedImage[] = [];
    for (const image of images) loaded.push(await nameIt(parts, lease, image));
    return loaded;
  } catch (error) {
    signal.throwIfAborted();
    throw Fault.from(error, "cannot load image");
  } finally {
    await lease.release({ sync: true });
  }
}

async function takeIn(
  parts: LoadParts,
  lease: ImageLease,
  image: ArchivedImage,
  signal: AbortSignal,
): Promise<void> {
  const { clock, layers } = parts;
  await layers.bring({ lease, layers: image.layers, tell: () => {}, signal });
  for (const { descriptor, bytes, labels } of image.documents) {
    await writeDocument(lease.client, clock, descriptor, bytes, labels);
  }
}

async function nameIt(parts: LoadParts, lease: ImageLease, image: ArchivedImage): Promise<LoadedImage> {
  const { id, target } = image;
  const labels = { [ORIGIN_LABEL]: "load" };
  const now = parts.clock.now();
  for (const ref of image.names) {
    await parts.makeRoom(ref, target.digest);
    await putRecord(lease.client, { name: formatReference(ref), target, labels }, now);
  }
  if (image.names.length === 0) await putRecord(lease.client, { name: id, target, labels }, now);
  return { id, names: image.names.map(familiarReference) };
}
