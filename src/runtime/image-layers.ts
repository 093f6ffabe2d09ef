import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, Gate, KeyedLocks } from "../lib/index.ts";
import type { Descriptor } from "../registry/index.ts";
import { hasBlob, writeBlob } from "./image-content.ts";
import { layerLabels } from "./image-labels.ts";
import type { ImageLease } from "./image-lease.ts";
import { LayerProgress, type OnProgress } from "./image-progress.ts";
import { hasSnapshot, type LayerSnapshot, unpackLayer } from "./image-unpack.ts";

/** Docker's `max-concurrent-downloads`. */
const MAX_DOWNLOADS = 3;

/** A layer of an image that is to be here: its blob, and the snapshot to make of it. */
export interface WantedLayer extends LayerSnapshot {
  readonly blob: Descriptor;
  /** The blob's bytes from an offset on; undefined when the blob is in the store already. */
  readonly fetch?: (offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

export interface LayerJob {
  readonly lease: ImageLease;
  readonly layers: readonly WantedLayer[];
  readonly tell: OnProgress;
  readonly signal: AbortSignal;
}

/** Brings layers into containerd: downloads some at a time, unpacks each as soon as it and all below are there. */
export class LayerStore {
  readonly #clock: Clock;
  readonly #downloads = new Gate(MAX_DOWNLOADS);
  readonly #locks = new KeyedLocks();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when every layer is unpacked and held by the lease. On failure all parts have stopped before it rejects. */
  async bring(job: LayerJob): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([job.signal, stop.signal]);
    const missing = await this.#missingOf(job);
    const fetched = missing.map((layer) => this.#fetch({ ...job, signal }, layer));
    for (const part of fetched) part.catch((error: unknown) => stop.abort(error));
    try {
      for (const [i, layer] of missing.entries()) {
        await fetched[i];
        await this.#unpack({ ...job, signal }, layer);
      }
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(fetched);
      job.signal.throwIfAborted();
      throw stop.signal.reason;
    }
  }

  /** The layers that are not unpacked here yet; says of each, base first, which it is. */
  async #missingOf({ lease, layers, tell }: LayerJob): Promise<WantedLayer[]> {
    const held = await Promise.all(layers.map((layer) => isHeld(lease, layer)));
    return layers.filter((layer, i) => {
      const status = held[i] ? "Already exists" : "Pulling fs layer";
      new LayerProgress(tell, this.#clock, layer.blob).say(status);
      return !held[i];
    });
  }

  async #fetch({ lease, tell, signal }: LayerJob, layer: WantedLayer): Promise<void> {
    if (layer.fetch === undefined) return;
    const progress = new LayerProgress(tell, this.#clock, layer.blob);
    await this.#locks.with(layer.blob.digest, async () => {
      if (await isBlobHeld(lease, layer.blob)) return;
      await this.#downloads.run(() => this.#download(lease.client, layer, progress, signal));
    });
    progress.say("Download complete");
  }

  async #download(
    client: GrpcClient,
    { blob, diffId, fetch }: WantedLayer,
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    async function* source(offset: number, stop: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
      let at = offset;
      for await (const chunk of fetch?.(offset, AbortSignal.any([signal, stop])) ?? []) {
        yield chunk;
        at += chunk.length;
        progress.moved("Downloading", at);
      }
      progress.say("Verifying Checksum");
    }
    const { digest, size } = blob;
    await writeBlob(client, this.#clock, {
      ref: `layer-${digest}`,
      size,
      digest,
      labels: layerLabels(diffId),
      source,
      signal,
    });
  }

  async #unpack({ lease, tell, signal }: LayerJob, layer: WantedLayer): Promise<void> {
    const progress = new LayerProgress(tell, this.#clock, layer.blob);
    await this.#locks.with(layer.chainId, async () => {
      signal.throwIfAborted();
      if (await isHeld(lease, layer)) return;
      progress.extracting();
      await unpackLayer(lease.client, layer, layer.blob, `unpack-${lease.id} ${layer.chainId}`);
    });
    progress.say("Pull complete");
  }
}

/** True when the snapshot is there and will stay while the lease lasts; looked at again, as it may go before it is held. */
async function isHeld(lease: ImageLease, { chainId }: LayerSnapshot): Promise<boolean> {
  if (!(await hasSnapshot(lease.client, chainId))) return false;
  await lease.holdSnapshot(chainId);
  return hasSnapshot(lease.client, chainId);
}

async function isBlobHeld(lease: ImageLease, { digest }: Descriptor): Promise<boolean> {
  if (!(await hasBlob(lease.client, digest))) return false;
  await lease.holdContent(digest);
  return hasBlob(lease.client, digest);
}
