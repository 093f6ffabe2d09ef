import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  formatPlatform,
  type ImageConfig,
  type ImageManifest,
  isIndexType,
  type Platform,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "../registry/index.ts";
import { readContent } from "./image-content.ts";
import { chainOf, type LayerSnapshot, snapshotBytes } from "./image-unpack.ts";

/** What follows from a target's digest for good: one platform's image behind it. */
export interface ImageFacts {
  /** The config's digest: what Docker calls the image's id. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly chain: readonly LayerSnapshot[];
  /** The snapshot that a container's own lies on; empty for an image without layers. */
  readonly topChainId: string;
}

/** Reads targets' facts out of the content store, once each. */
export class FactsReader {
  readonly #client: GrpcClient;
  readonly #platform: Platform;
  readonly #facts = new Map<Digest, ImageFacts>();
  readonly #sizes = new Map<string, number>();

  constructor(client: GrpcClient, platform: Platform) {
    this.#client = client;
    this.#platform = platform;
  }

  /** Fault "not-found" when the content is not whole or has nothing for this platform. */
  async of(target: Descriptor): Promise<ImageFacts> {
    const known = this.#facts.get(target.digest);
    if (known !== undefined) return known;
    const [manifestDigest, bytes] = await this.#manifestOf(target);
    const manifest = parseManifest(bytes);
    const config = parseImageConfig(await readContent(this.#client, manifest.config.digest));
    const chain = chainOf(config.diffIds);
    const topChainId = chain.at(-1)?.chainId ?? "";
    const facts = { id: manifest.config.digest, manifestDigest, manifest, config, chain, topChainId };
    this.#facts.set(target.digest, facts);
    return facts;
  }

  /** Bytes of each unpacked layer, base first, as Docker counts an image's size; 0 for one that is not unpacked. */
  async layerBytesOf({ chain }: ImageFacts): Promise<number[]> {
    return Promise.all(chain.map(({ chainId }) => this.#layerBytes(chainId)));
  }

  /** Forgets every target that no record names any more. */
  keepOnly(targets: ReadonlySet<Digest>): void {
    for (const digest of this.#facts.keys()) if (!targets.has(digest)) this.#facts.delete(digest);
    const chains = new Set([...this.#facts.values()].flatMap(({ chain }) => chain.map((c) => c.chainId)));
    for (const chainId of this.#sizes.keys()) if (!chains.has(chainId)) this.#sizes.delete(chainId);
  }

  async #manifestOf(target: Descriptor): Promise<[Digest, Uint8Array]> {
    let { digest } = target;
    let bytes = await readContent(this.#client, digest);
    for (let type = target.mediaType; isIndexType(type); ) {
      const { manifests } = parseIndex(bytes);
      const chosen =
        choosePlatform(this.#platform, manifests, (m) => m.platform) ?? manifests.find((m) => !m.platform);
      if (chosen === undefined) {
        throw new Fault("not-found", `no image for ${formatPlatform(this.#platform)} in ${target.digest}`);
      }
      digest = chosen.digest;
      type = chosen.mediaType;
      bytes = await readContent(this.#client, digest);
    }
    return [digest, bytes];
  }

  async #layerBytes(chainId: string): Promise<number> {
    const known = this.#sizes.get(chainId);
    if (known !== undefined) return known;
    const bytes = await snapshotBytes(this.#client, chainId).catch((error: unknown) => {
      if (Fault.is(error, "not-found")) return undefined;
      throw error;
    });
    if (bytes !== undefined) this.#sizes.set(chainId, bytes);
    return bytes ?? 0;
  }
}
