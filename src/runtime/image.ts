import type { Instant } from "../lib/index.ts";
import type { Digest, Platform } from "../registry/index.ts";
import type { OnProgress } from "./image-progress.ts";
import type { ImageUser, Removal } from "./image-remove.ts";

/** The images of this node. */
export interface Images {
  /**
   * Pulls what a reference points to now (`latest` when it names nothing). Pulls of one image at a time share one job.
   * Faults in Docker's words; after any failure, or a crash, the next pull goes on with what is here.
   */
  pull(text: string, options?: PullOptions): Promise<Pulled>;
  /**
   * Sees to it that a task's image is here. By digest or id: no network when it is here. By tag: pulls, as Swarm does,
   * and takes the one that is here when that fails. Fault of the pull when there is none.
   */
  ensure(text: string, options?: PullOptions): Promise<EnsuredImage>;
  /** What a container is made from, by reference, id or the beginning of an id; no network. Fault "not-found". */
  resolve(text: string): Promise<ResolvedImage>;
  /** By reference, id or the beginning of an id. Fault "not-found", `No such image: X`. */
  inspect(text: string): Promise<LocalImage>;
  /** All images, newest first. */
  list(): Promise<LocalImage[]>;
  /** Gives an image another name; the name moves when it is taken. */
  tag(source: string, target: string): Promise<void>;
  /**
   * Puts an image into its registry under its name; without a tag, under all that its repository has here. What each tag points to now.
   * Fault "not-found" when there is none here.
   */
  push(text: string, options?: PushOptions): Promise<Pushed[]>;
  /** Removes a name, and the image with its last one. Fault "conflict" in Docker's words when it is in use. */
  remove(text: string, options: RemoveOptions): Promise<Removal[]>;
}

export type PushOptions = Pick<PullOptions, "auth" | "onProgress" | "signal">;

/** A tag as its registry has it now. */
export interface Pushed {
  readonly tag: string;
  readonly digest: Digest;
  /** Of the manifest, bytes. */
  readonly size: number;
}

/** What a pull ended with. */
export interface Pulled {
  /** What the reference points to, index or manifest. */
  readonly digest: Digest;
  /** False when it was here already. */
  readonly isNew: boolean;
}

export interface RemoveOptions {
  readonly force?: boolean;
  /** The containers made from an image. */
  usersOf(image: LocalImage): Promise<readonly ImageUser[]>;
}

/** As much of an image as making a container takes. */
export interface ResolvedImage {
  readonly id: Digest;
  /** The image's `config` object (OCI image spec config.md): Env, Entrypoint, Cmd, User, ExposedPorts and so on. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The snapshot that the container's own lies on; empty for an image without layers. */
  readonly topChainId: string;
}

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
  /** Bytes of each of them, unpacked. */
  readonly layerBytes: readonly number[];
  /** Only pulls for tasks brought it here: nobody pulled, loaded or named it by hand. */
  readonly isForTasks: boolean;
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
