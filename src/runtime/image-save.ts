import { pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";
import { type Descriptor, type Digest, documentType, MEDIA_TYPES } from "../registry/index.ts";
import { blobSize, readContent, streamContent } from "./image-content.ts";
import type { ImageFacts } from "./image-facts.ts";

/** An image that is to be saved, and the names it has in the archive: full form with what the CLI shows of them. */
export interface SavedImage {
  readonly facts: ImageFacts;
  readonly names: readonly { readonly full: string; readonly familiar: string; readonly tag: string }[];
}

/**
 * The images as one archive, a tar stream that both readers of OCI layouts (image-spec image-layout.md) and `docker load` of any version
 * understand: blobs once each, and beside `index.json` the `manifest.json` of moby image/tarexport. Layers stay compressed as they came.
 */
export async function* saveImages(
  client: GrpcClient,
  images: readonly SavedImage[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const tar = pack();
  const feeding = feed(client, tar, images).catch((error: Error) => tar.destroy(error));
  try {
    yield* tar as AsyncIterable<Uint8Array>;
  } finally {
    tar.destroy();
    await feeding;
  }
}

async function feed(client: GrpcClient, tar: Pack, images: readonly SavedImage[]): Promise<void> {
  const manifests = await Promise.all(images.map(({ facts }) => manifestOf(client, facts)));
  for (const digest of new Set(images.flatMap(({ facts }) => blobsOf(facts)))) {
    await putBlob(client, tar, digest);
  }
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: images.flatMap(entriesOf(manifests)),
  };
  putJson(tar, "index.json", index);
  putJson(tar, "manifest.json", images.map(dockerEntry));
  putJson(tar, "oci-layout", { imageLayoutVersion: "1.0.0" });
  tar.finalize();
}

async function manifestOf(client: GrpcClient, { manifestDigest }: ImageFacts): Promise<Descriptor> {
  const bytes = await readContent(client, manifestDigest);
  return { mediaType: documentType(bytes), digest: manifestDigest, size: bytes.length };
}

function blobsOf({ manifest, manifestDigest }: ImageFacts): Digest[] {
  return [...manifest.layers.map(({ digest }) => digest), manifest.config.digest, manifestDigest];
}

/** One entry a name, as containerd's own export has it; one without names for an image that has none. */
function entriesOf(manifests: readonly Descriptor[]) {
  return ({ names }: SavedImage, i: number): object[] => {
    const manifest = manifests[i];
    if (names.length === 0) return [{ ...manifest }];
    return names.map(({ full, tag }) => ({
      ...manifest,
      annotations: { "io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag },
    }));
  };
}

function dockerEntry({ facts, names }: SavedImage): object {
  return {
    Config: pathOf(facts.id),
    RepoTags: names.length > 0 ? names.map(({ familiar }) => familiar) : null,
    Layers: facts.manifest.layers.map(({ digest }) => pathOf(digest)),
  };
}

async function putBlob(client: GrpcClient, tar: Pack, digest: Digest): Promise<void> {
  const size = await blobSize(client, digest);
  if (size === undefined) {
    throw new Fault("precondition", `cannot save image: the bytes of ${digest} are not kept here`);
  }
  await pipeline(streamContent(client, digest), tar.entry({ name: pathOf(digest), size, mode: 0o444 }));
}

function putJson(tar: Pack, name: string, value: unknown): void {
  tar.entry({ name, mode: 0o444 }, JSON.stringify(value));
}

function pathOf(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}
