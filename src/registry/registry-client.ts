import { type Clock, Fault, type Log } from "../lib/index.ts";
import { Authorizer } from "./authorizer.ts";
import { type BlobCall, readBlob } from "./blob.ts";
import type { Credentials } from "./credentials.ts";
import { digestOf, isDigest } from "./digest.ts";
import { Endpoints } from "./endpoint.ts";
import {
  type Descriptor,
  type Document,
  documentType,
  type ImageConfig,
  type ImageManifest,
  isIndexType,
  isManifestType,
  MEDIA_TYPES,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "./manifest.ts";
import { choosePlatform, formatPlatform, hostPlatform, matchesPlatform, type Platform } from "./platform.ts";
import { familiarReference, type Reference, withDefaultTag } from "./reference.ts";
import { Session } from "./session.ts";
import { readBody, Transport } from "./transport.ts";
import { hasBlob, putManifest, uploadBlob } from "./upload.ts";

const ACCEPT = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
].join(", ");
/** An index may name an index; deeper than this is a mistake or an attack. */
const MAX_INDEX_DEPTH = 3;
const MAX_CONFIG_BYTES = 8 << 20;

export interface RegistryOptions {
  /** Base URLs that are asked before docker.io. */
  readonly mirrors?: readonly string[];
  /** `host`, `host:port` or CIDR (of literal addresses); loopback is insecure always. */
  readonly insecureRegistries?: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
}

export interface CallOptions {
  readonly credentials?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One platform's image, and the way to it. */
export interface Resolved {
  /** What the reference points to: an index, or the manifest itself. */
  readonly root: Document;
  /** Every index and the manifest, root first, manifest last. */
  readonly documents: readonly Document[];
  readonly manifest: ImageManifest;
  readonly config: Document & { readonly parsed: ImageConfig };
}

/** What `GET /distribution/{name}/json` tells. */
export interface Distribution {
  readonly descriptor: Descriptor;
  readonly platforms: readonly Partial<Platform>[];
}

/**
 * Reads images from OCI distribution and Docker v2 registries, and writes them there (OCI distribution spec 1.1, "Pull", "Push").
 * Owns its connections: close it.
 */
export class RegistryClient {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor({ mirrors = [], insecureRegistries = [], log, clock }: RegistryOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#transport = new Transport({ clock, log });
    const authorizer = new Authorizer({ transport: this.#transport, clock });
    const endpoints = new Endpoints({ mirrors, insecureRegistries });
    this.#session = new Session({ transport: this.#transport, authorizer, endpoints, clock, log });
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  /** What a reference points to now, without its content. Cheap: registries do not count it as a pull. */
  async head(ref: Reference, options: CallOptions = {}): Promise<Descriptor> {
    const response = await this.#session.call(ref, manifestCall("HEAD", ref, options));
    await response.body.dump();
    const digest = response.header("docker-content-digest") ?? ref.digest ?? "";
    const size = Number(response.header("content-length") ?? Number.NaN);
    const mediaType = mediaTypeOf(response.header("content-type"));
    if (isDigest(digest) && Number.isSafeInteger(size) && mediaType !== undefined)
      return { mediaType, digest, size };
    return (await this.#document(ref, options)).descriptor;
  }

  /**
   * The image that `platform` (this machine's, when left out) can run, with everything but its layers.
   * Fault "not-found" when the registry, the tag or the platform is missing, in Docker's words.
   */
  async resolve(
    ref: Reference,
    options: CallOptions & { readonly platform?: Platform } = {},
  ): Promise<Resolved> {
    const platform = options.platform ?? hostPlatform();
    const documents = await this.#descend(ref, platform, options);
    const root = documents[0] as Document;
    const { bytes } = documents[documents.length - 1] as Document;
    const manifest = parseManifest(bytes);
    const config = await this.#config(ref, manifest, options);
    checkConfig(ref, manifest, config.parsed, platform);
    return { root, documents, manifest, config };
  }

  /** The descriptor of a reference and the platforms it is for. */
  async distribution(ref: Reference, options: CallOptions = {}): Promise<Distribution> {
    const { descriptor, bytes } = await this.#document(ref, options);
    if (isIndexType(descriptor.mediaType)) {
      const { manifests } = parseIndex(bytes);
      return { descriptor, platforms: manifests.flatMap(({ platform }) => (platform ? [platform] : [])) };
    }
    const config = await this.#config(ref, parseManifest(bytes), options);
    return { descriptor, platforms: [config.parsed.platform] };
  }

  /** The bytes of a blob, resumed when the connection breaks; size and digest checked at the end (see readBlob). */
  fetchBlob(ref: Reference, blob: Descriptor, options: BlobCall = {}): AsyncIterable<Uint8Array> {
    return readBlob({ session: this.#session, clock: this.#clock, log: this.#log }, ref, blob, options);
  }

  /** Asks whether the repository has the blob, as one who is going to push. */
  hasBlob(ref: Reference, blob: Descriptor, options: CallOptions = {}): Promise<boolean> {
    return hasBlob(this.#session, ref, blob, options);
  }

  /** Puts a blob into the repository; `source` gives its bytes, anew for each attempt. */
  uploadBlob(
    ref: Reference,
    blob: Descriptor,
    source: () => AsyncIterable<Uint8Array>,
    options: CallOptions = {},
  ): Promise<void> {
    return uploadBlob(this.#session, ref, blob, source, options);
  }

  /** Points `ref` to a manifest whose blobs are there. */
  putManifest(ref: Reference, manifest: Document, options: CallOptions = {}): Promise<void> {
    return putManifest(this.#session, ref, manifest, options);
  }

  /** Asks the registry of that name whether it takes these credentials. Fault "unauthorized" when it does not. */
  async login(domain: string, options: CallOptions): Promise<void> {
    const call = { ...options, method: "GET", path: "/v2/", intent: "login" } as const;
    const response = await this.#session.call({ domain, path: "" }, call);
    await response.body.dump();
  }

  async #descend(ref: Reference, platform: Platform, options: CallOptions): Promise<Document[]> {
    const documents: Document[] = [];
    for (let next: Reference = ref; documents.length <= MAX_INDEX_DEPTH; ) {
      const document = await this.#document(next, options);
      documents.push(document);
      if (!isIndexType(document.descriptor.mediaType)) return documents;
      const { manifests } = parseIndex(document.bytes);
      const chosen =
        choosePlatform(platform, manifests, (entry) => entry.platform) ?? manifests.find((m) => !m.platform);
      if (chosen === undefined) {
        const wanted = formatPlatform(platform);
        throw new Fault("not-found", `no matching manifest for ${wanted} in the manifest list entries`);
      }
      next = { domain: ref.domain, path: ref.path, digest: chosen.digest };
    }
    throw new Fault("invalid", `cannot pull ${familiarReference(ref)}: its indexes are nested too deep`);
  }

  async #document(ref: Reference, options: CallOptions): Promise<Document> {
    const response = await this.#session.call(ref, manifestCall("GET", ref, options));
    const bytes = await readBody(response);
    const digest = digestOf(bytes);
    if (ref.digest !== undefined && ref.digest !== digest) {
      throw new Fault("invalid", `manifest verification failed for digest ${ref.digest}`);
    }
    const mediaType = mediaTypeOf(response.header("content-type")) ?? documentType(bytes);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  async #config(
    ref: Reference,
    { config }: ImageManifest,
    options: CallOptions,
  ): Promise<Resolved["config"]> {
    if (config.size > MAX_CONFIG_BYTES) {
      throw new Fault(
        "invalid",
        `cannot pull ${familiarReference(ref)}: its config is over ${MAX_CONFIG_BYTES} bytes`,
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.fetchBlob(ref, config, options)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return { descriptor: config, bytes, parsed: parseImageConfig(bytes) };
  }
}

function manifestCall(method: "GET" | "HEAD", ref: Reference, { credentials, signal }: CallOptions) {
  const { tag = "", digest } = withDefaultTag(ref);
  return { method, path: `manifests/${digest ?? tag}`, headers: { accept: ACCEPT }, credentials, signal };
}

/** The manifest type in a Content-Type header; undefined when the server says something else (text/plain). */
function mediaTypeOf(header: string | undefined): string | undefined {
  const type = header?.split(";", 1)[0]?.trim().toLowerCase();
  return type !== undefined && (isIndexType(type) || isManifestType(type)) ? type : undefined;
}

function checkConfig(ref: Reference, manifest: ImageManifest, config: ImageConfig, wanted: Platform): void {
  const { os, architecture } = config.platform;
  if (
    os !== undefined &&
    architecture !== undefined &&
    !matchesPlatform(wanted, { ...config.platform, os, architecture })
  ) {
    const actual = formatPlatform({ ...config.platform, os, architecture });
    const text = `image with reference ${familiarReference(ref)} was found but does not match the specified platform`;
    throw new Fault("not-found", `${text}: wanted ${formatPlatform(wanted)}, actual: ${actual}`);
  }
  if (config.diffIds.length !== manifest.layers.length) {
    throw new Fault("invalid", `cannot pull ${familiarReference(ref)}: its config does not fit its layers`);
  }
}
