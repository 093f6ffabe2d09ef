import { Fault } from "../lib/index.ts";
import { type Digest, isDigest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** OCI image spec media-types.md, and Docker's image manifest version 2, schema 2. */
export const MEDIA_TYPES = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
} as const;

const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex]);
const MANIFEST_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest]);

/** A pointer to a blob by content. `size` in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly manifests: readonly Descriptor[];
}

/** A descriptor and the document it points to. */
export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface ImageManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** What a container takes from its image: Docker's and OCI's `config` object (image spec config.md). */
export interface ImageConfig {
  readonly platform: Partial<Platform>;
  /** RFC 3339, as the image says it. */
  readonly created?: string;
  readonly author?: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Digests of the uncompressed layers, base first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly Readonly<Record<string, unknown>>[];
}

type Json = Readonly<Record<string, unknown>>;

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(mediaType);
}

/** Reads an index or manifest list. Fault "invalid" when it is none. */
export function parseIndex(bytes: Uint8Array): ImageIndex {
  const json = parseJson(bytes, "image index");
  refuse(json, "image index", ["config", "layers", "fsLayers"]);
  return { manifests: listOf(json["manifests"]).map((entry) => toDescriptor(entry, "image index")) };
}

/** Reads an image manifest. Fault "invalid" when it is none; "unsupported" for Docker's schema 1. */
export function parseManifest(bytes: Uint8Array): ImageManifest {
  const json = parseJson(bytes, "image manifest");
  if (json["schemaVersion"] === 1) {
    throw new Fault(
      "unsupported",
      "cannot read image manifest: Docker Image Format v1 and schema 1 are not supported",
    );
  }
  refuse(json, "image manifest", ["manifests"]);
  return {
    config: toDescriptor(json["config"], "image manifest"),
    layers: listOf(json["layers"]).map((layer) => toDescriptor(layer, "image manifest")),
  };
}

/** Reads an image's config blob. Fault "invalid" when it is none. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const json = parseJson(bytes, "image config");
  const diffIds = listOf(objectOf(json["rootfs"])["diff_ids"]).map(String);
  if (!diffIds.every(isDigest))
    throw new Fault("invalid", "cannot read image config: a layer's diff id is no digest");
  return {
    platform: platformOf(json),
    ...(typeof json["created"] === "string" && { created: json["created"] }),
    ...(typeof json["author"] === "string" && { author: json["author"] }),
    config: objectOf(json["config"]),
    diffIds,
    history: listOf(json["history"]).map(objectOf),
  };
}

/** One document must not be readable as two kinds (CVE-2021-41190). */
function refuse(json: Json, what: string, keys: readonly string[]): void {
  const found = keys.find((key) => json[key] !== undefined);
  if (found !== undefined)
    throw new Fault("invalid", `cannot read ${what}: it has the field ${found} of another kind`);
}

function toDescriptor(value: unknown, where: string): Descriptor {
  const json = objectOf(value);
  const { mediaType, digest, size } = json;
  if (typeof mediaType !== "string" || typeof digest !== "string" || !isDigest(digest) || !isSize(size)) {
    throw new Fault("invalid", `cannot read ${where}: a descriptor lacks media type, sha256 digest or size`);
  }
  const { os, architecture, variant } = platformOf(objectOf(json["platform"]));
  return {
    mediaType,
    digest,
    size,
    ...(os !== undefined &&
      architecture !== undefined && {
        platform: { os, architecture, ...(variant !== undefined && { variant }) },
      }),
    ...(json["annotations"] !== undefined && { annotations: textsOf(json["annotations"]) }),
  };
}

function platformOf(json: Json): Partial<Platform> {
  const text = (key: string) => (typeof json[key] === "string" && json[key] !== "" ? json[key] : undefined);
  const [os, architecture, variant] = [text("os"), text("architecture"), text("variant")];
  return {
    ...(os !== undefined && { os }),
    ...(architecture !== undefined && { architecture }),
    ...(variant !== undefined && { variant }),
  };
}

function parseJson(bytes: Uint8Array, what: string): Json {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  } catch (cause) {
    throw new Fault("invalid", `cannot read ${what}: it is not JSON`, { cause });
  }
  throw new Fault("invalid", `cannot read ${what}: it is not a JSON object`);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(objectOf(value)).map(([key, text]) => [key, String(text)]));
}

/** What a document calls itself, or what it looks like. */
export function documentType(bytes: Uint8Array): string {
  try {
    const { mediaType, manifests } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    if (typeof mediaType === "string") return mediaType;
    return manifests === undefined ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.ociIndex;
  } catch (cause) {
    throw new Fault("invalid", "cannot read image manifest: it is not JSON", { cause });
  }
}
