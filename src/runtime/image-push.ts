import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, Gate } from "../lib/index.ts";
import {
  type Credentials,
  type Descriptor,
  documentType,
  nameOf,
  type Reference,
  type RegistryClient,
} from "../registry/index.ts";
import { hasBlob, readContent, streamContent } from "./image-content.ts";
import type { ImageFacts } from "./image-facts.ts";
import { type ImageProgress, LayerProgress, type OnProgress } from "./image-progress.ts";

/** Docker's `max-concurrent-uploads`. */
const MAX_UPLOADS = 5;

export interface PushParts {
  readonly client: GrpcClient;
  readonly registry: RegistryClient;
  readonly clock: Clock;
}

export interface PushRequest {
  /** With tag. */
  readonly ref: Reference;
  readonly credentials?: Credentials | undefined;
  readonly tell: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** The first line of a push, before anything is asked of the registry (moby distribution/push.go). */
export function pushBegins(ref: Reference): ImageProgress {
  return { status: `The push refers to repository [${nameOf(ref)}]` };
}

/**
 * Puts this platform's image into its registry: layers that are not there, then the config, and the manifest last, so that the tag never
 * points to half an image. What it points to now.
 */
export async function pushImage(
  parts: PushParts,
  { manifest, manifestDigest }: ImageFacts,
  request: PushRequest,
): Promise<Descriptor> {
  const { client, registry } = parts;
  const { ref, tell } = request;
  const bytes = await readContent(client, manifestDigest);
  const layers = manifest.layers.filter((layer, i, all) => all.findIndex(sameAs(layer)) === i);
  await pushLayers(parts, layers, request);
  await pushBlob(parts, manifest.config, request);
  const descriptor = { mediaType: documentType(bytes), digest: manifestDigest, size: bytes.length };
  await registry.putManifest(ref, { descriptor, bytes }, request);
  tell({ status: `${ref.tag}: digest: ${manifestDigest} size: ${bytes.length}` });
  return descriptor;
}

/** All stop when one fails. */
async function pushLayers(
  parts: PushParts,
  layers: readonly Descriptor[],
  request: PushRequest,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(request.signal ? [request.signal] : [])]);
  const gate = new Gate(MAX_UPLOADS);
  const done = layers.map((layer) => {
    const progress = new LayerProgress(request.tell, parts.clock, layer);
    progress.say("Preparing");
    return gate.run(() => pushBlob(parts, layer, { ...request, signal }, progress));
  });
  for (const one of done) one.catch((error: unknown) => stop.abort(error));
  await Promise.allSettled(done);
  request.signal?.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
}

async function pushBlob(
  { client, registry }: PushParts,
  blob: Descriptor,
  request: PushRequest,
  progress?: LayerProgress,
): Promise<void> {
  const { ref, signal } = request;
  signal?.throwIfAborted();
  if (await registry.hasBlob(ref, blob, request)) return progress?.say("Layer already exists");
  if (!(await hasBlob(client, blob.digest))) {
    throw new Fault("precondition", `cannot push blob ${blob.digest}: its bytes are not kept here`);
  }
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    let at = 0;
    for await (const chunk of streamContent(client, blob.digest)) {
      yield chunk;
      at += chunk.length;
      progress?.moved("Pushing", at);
    }
  }
  await registry.uploadBlob(ref, blob, source, request);
  progress?.say("Pushed");
}

function sameAs({ digest }: Descriptor): (other: Descriptor) => boolean {
  return (other) => other.digest === digest;
}
