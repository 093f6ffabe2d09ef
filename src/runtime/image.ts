import type { Instant } from "../lib/index.ts";
import type { Digest, Platform } from "../registry/index.ts";
import type { OnProgress } from "./image-progress.ts";

/** An image of this node, in neutral words; ids and layers as Docker counts them. */
export interface LocalImage {
  /** The config's digest. */
  readonly id: Digest;
  /** What the names point to: an index or a manifest. */
  readonly target: Digest;
  /** `redis:3.2`, familiar form, sorted; empty for an image whose tag has moved away. */
  readonly repoTags: readonly string[];
  /** `redis@sha256:…`, sorted. */
  readonly repoDigests: readonly string[];
  /** When the image was made; undefined when it does not say. */
  readonly createdAt?: Instant;
  /** When its newest name was put here. */
  readonly taggedAt: Instant;
  readonly sizeBytes: number;
  readonly platform: Partial<Platform>;
  readonly author?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The image's `config` object (OCI image spec config.md): Env, Entrypoint, Cmd, User, ExposedPorts and so on. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Digests of the uncompressed layers, base first. */
  readonly layers: readonly Digest[];
  readonly history: readonly Readonly<Record<string, unknown>>[];
  /** The snapshot that a container's own lies on; empty for an image without layers. */
  readonly topChainId: string;
}

export interface PullOptions {
  /** An X-Registry-Auth header: base64url JSON. */
  readonly auth?: string;
  readonly platform?: Platform;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What a task's container is made from. */
export interface EnsuredImage {
  /** A reference that finds exactly this image here. */
  readonly ref: string;
  readonly id: Digest;
}
