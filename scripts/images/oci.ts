import { createHash } from "node:crypto";

/** Image manifests and configs as values (OCI image spec 1.1). Nothing here touches disk or network. */

const OCI = "application/vnd.oci.image";

/** What a registry holds under a digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Content and its descriptor. */
export interface Blob extends Descriptor {
  readonly bytes: Uint8Array;
}

/** A compressed layer in a file. */
export interface Layer extends Descriptor {
  readonly file: string;
  /** The digest of the tar before compression. */
  readonly diffId: string;
  /** What made it, for `docker history`. */
  readonly createdBy: string;
}

/** The part of an image's config that says how to run it, in the OCI spec's own words. */
export interface RunConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface Image {
  /** GOARCH, e.g. `amd64`. */
  readonly architecture: string;
  readonly layers: readonly Layer[];
  readonly config: Blob;
  readonly manifest: Blob;
}

/** Images carry this time, so that equal content makes equal digests. */
export const CREATED = "2026-01-01T00:00:00Z";

export const LAYER_TYPE: string = `${OCI}.layer.v1.tar+gzip`;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A blob of bytes, or of a value's JSON. */
export function blobOf(mediaType: string, content: Uint8Array | object): Blob {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: sha256(bytes), size: bytes.length, bytes };
}

export function descriptorOf({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** The image that these layers, lowest first, make with this config. */
export function composeImage(architecture: string, layers: readonly Layer[], config: RunConfig): Image {
  const configBlob = blobOf(`${OCI}.config.v1+json`, {
    created: CREATED,
    architecture,
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((layer) => ({ created: CREATED, created_by: layer.createdBy })),
  });
  const mediaType = `${OCI}.manifest.v1+json`;
  const manifest = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(configBlob),
    layers: layers.map(descriptorOf),
  });
  return { architecture, layers, config: configBlob, manifest };
}

/** A manifest list over images of several platforms. */
export function composeIndex(images: readonly Image[]): Blob {
  const mediaType = `${OCI}.index.v1+json`;
  const manifests = images.map(({ manifest, architecture }) => ({
    ...descriptorOf(manifest),
    platform: { os: "linux", architecture },
  }));
  return blobOf(mediaType, { schemaVersion: 2, mediaType, manifests });
}
