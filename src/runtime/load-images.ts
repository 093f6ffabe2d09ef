import { posix } from "node:path";
import { Fault } from "../lib/index.ts";
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  digestOf,
  isIndexType,
  MEDIA_TYPES,
  type Platform,
  parseImageConfig,
  parseIndex,
  parseManifest,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../registry/index.ts";
import { configLabels, indexLabels, manifestLabels } from "./image-labels.ts";
import type { WantedLayer } from "./image-layers.ts";
import { tryReference } from "./image-names.ts";
import { chainOf } from "./image-unpack.ts";
import type { ArchiveContents, Compression } from "./load-archive.ts";

/** An image of an archive, ready to be written: its layers' blobs are in the store already. */
export interface ArchivedImage {
  readonly id: Digest;
  readonly target: Descriptor;
  readonly names: readonly Reference[];
  readonly layers: readonly WantedLayer[];
  readonly documents: readonly LabelledDocument[];
}

export interface LabelledDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly labels: Readonly<Record<string, string>>;
}

/** Annotations that carry a name, full one first (containerd's and OCI's). */
const NAME_ANNOTATIONS = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

const SUFFIXES: Readonly<Partial<Record<Compression, string>>> = { none: "", gzip: "+gzip", zstd: "+zstd" };

/** The images of a `docker save` archive (manifest.json) or an OCI layout (index.json). Fault "invalid" when it is neither. */
export function imagesIn(contents: ArchiveContents, platform: Platform): ArchivedImage[] {
  const dockerList = contents.document("manifest.json");
  if (dockerList !== undefined)
    return listOf(parseJson(dockerList, "manifest.json")).map((e) => dockerImage(contents, e));
  const index = contents.document("index.json");
  if (index === undefined) throw broken("the archive has neither manifest.json nor index.json");
  return parseIndex(index).manifests.map((entry) => ociImage(contents, entry, platform));
}

/** One entry of manifest.json (moby image/tarexport): paths of the config and the layers, and the tags. */
function dockerImage(contents: ArchiveContents, entry: Readonly<Record<string, unknown>>): ArchivedImage {
  const configBytes = contents.document(String(entry["Config"]));
  if (configBytes === undefined) throw broken(`the config ${String(entry["Config"])} is missing`);
  const blobs = textsOf(entry["Layers"]).map((path): Descriptor => layerOf(contents, path));
  const config = {
    mediaType: MEDIA_TYPES.ociConfig,
    digest: digestOf(configBytes),
    size: configBytes.length,
  };
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: blobs };
  const bytes = Buffer.from(JSON.stringify(document));
  const target = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length };
  return assemble([{ descriptor: target, bytes }], configBytes, textsOf(entry["RepoTags"]).map(nameOf));
}

function layerOf(contents: ArchiveContents, path: string): Descriptor {
  const file = contents.stored(path);
  if (file === undefined) throw broken(`the layer ${path} is missing`);
  const suffix = SUFFIXES[file.compression];
  if (suffix === undefined) throw broken(`the layer ${path} is compressed with ${file.compression}`);
  return { mediaType: MEDIA_TYPES.ociLayer + suffix, digest: file.digest, size: file.size };
}

/** One entry of an OCI layout's index: a manifest, or an index that has one for this platform. */
function ociImage(contents: ArchiveContents, entry: Descriptor, platform: Platform): ArchivedImage {
  const documents: { descriptor: Descriptor; bytes: Uint8Array }[] = [];
  for (let at = entry; ; ) {
    const bytes = documentOf(contents, at.digest);
    documents.push({ descriptor: { mediaType: at.mediaType, digest: at.digest, size: at.size }, bytes });
    if (!isIndexType(at.mediaType)) break;
    const here = parseIndex(bytes).manifests.filter((m) => contents.document(pathOf(m.digest)) !== undefined);
    const chosen = choosePlatform(platform, here, (m) => m.platform) ?? here[0];
    if (chosen === undefined || documents.length > 3) throw broken(`the index ${at.digest} has no image`);
    at = chosen;
  }
  const manifest = parseManifest(documents.at(-1)?.bytes ?? new Uint8Array());
  for (const { digest } of manifest.layers) {
    if (contents.stored(pathOf(digest))?.digest !== digest) throw broken(`the layer ${digest} is missing`);
  }
  const text = NAME_ANNOTATIONS.map((key) => entry.annotations?.[key]).find((name) => name !== undefined);
  const ref = text === undefined || !/[/:]/.test(text) ? undefined : tryReference(text);
  const names = ref === undefined ? [] : [withDefaultTag(ref)];
  return assemble(documents, documentOf(contents, manifest.config.digest), names);
}

function assemble(
  documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[],
  configBytes: Uint8Array,
  names: readonly Reference[],
): ArchivedImage {
  const manifest = parseManifest(documents.at(-1)?.bytes ?? new Uint8Array());
  const chain = chainOf(parseImageConfig(configBytes).diffIds);
  if (chain.length !== manifest.layers.length) throw broken("the config does not fit the layers");
  const layers = chain.flatMap((layer, i) => {
    const blob = manifest.layers[i];
    return blob === undefined ? [] : [{ ...layer, blob }];
  });
  const labelled = documents.map((document, i) => {
    const child = documents[i + 1]?.descriptor.digest;
    return { ...document, labels: child === undefined ? manifestLabels(manifest) : indexLabels(child) };
  });
  const config = {
    descriptor: manifest.config,
    bytes: configBytes,
    labels: configLabels(chain.at(-1)?.chainId),
  };
  const [first] = documents;
  if (first === undefined) throw broken("an image has no manifest");
  return {
    id: manifest.config.digest,
    target: first.descriptor,
    names,
    layers,
    documents: [...labelled, config],
  };
}

function documentOf(contents: ArchiveContents, digest: Digest): Uint8Array {
  const bytes = contents.document(pathOf(digest));
  if (bytes === undefined) throw broken(`the blob ${digest} is missing`);
  if (digestOf(bytes) !== digest) throw broken(`the blob ${digest} has another digest`);
  return bytes;
}

function pathOf(digest: Digest): string {
  return posix.join("blobs", ...digest.split(":"));
}

function nameOf(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new Fault("invalid", `cannot load image: ${what} is not JSON`, { cause });
  }
}

function listOf(value: unknown): Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) throw broken("manifest.json is not a list");
  return value.map((entry) => (typeof entry === "object" && entry !== null ? entry : {}));
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function broken(reason: string): Fault {
  return new Fault("invalid", `cannot load image: ${reason}`);
}
