import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, type Log, newId, type Random } from "../lib/index.ts";
import {
  type Credentials,
  type Descriptor,
  familiarReference,
  formatPlatform,
  isIndexType,
  nameOf,
  type Platform,
  type Reference,
  type RegistryClient,
  type Resolved,
} from "../registry/index.ts";
import type { Pulled } from "./image.ts";
import type { ContainerdAddress } from "./image-client.ts";
import { writeBlob } from "./image-content.ts";
import { configLabels, indexLabels, manifestLabels, ORIGIN_LABEL } from "./image-labels.ts";
import type { LayerStore, WantedLayer } from "./image-layers.ts";
import { type ImageLease, openLease } from "./image-lease.ts";
import { recordNameOf } from "./image-names.ts";
import type { OnProgress } from "./image-progress.ts";
import { getRecord, type ImageRecord, putRecord } from "./image-records.ts";
import { chainOf } from "./image-unpack.ts";

export interface PullParts {
  readonly address: ContainerdAddress;
  readonly client: GrpcClient;
  readonly registry: RegistryClient;
  readonly layers: LayerStore;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** True when the record's image is whole and unpacked here. */
  isWhole(record: ImageRecord): Promise<boolean>;
}

export interface PullRequest {
  /** With tag or digest. */
  readonly ref: Reference;
  readonly credentials?: Credentials | undefined;
  readonly platform: Platform;
  readonly tell: OnProgress;
  readonly signal: AbortSignal;
}

/** Pulls one image and makes its record; the image is whole and unpacked before it has a name. */
export async function pullImage(parts: PullParts, request: PullRequest): Promise<Pulled> {
  const { ref, tell } = request;
  const pulled = (await upToDate(parts, request)) ?? (await fetchImage(parts, request));
  tell({ status: `Digest: ${pulled.digest}` });
  const what = pulled.isNew ? "Downloaded newer image" : "Image is up to date";
  tell({ status: `Status: ${what} for ${familiarReference(ref)}` });
  return pulled;
}

/** The first line, once the registry has said what the reference is: until then a failure is a plain refusal. */
function tellStart({ ref, tell }: PullRequest): void {
  tell({ status: `Pulling from ${ref.path}`, id: ref.tag ?? ref.digest ?? "" });
}

/** Asks only what the tag points to when there is something here that it may be. */
async function upToDate(parts: PullParts, request: PullRequest): Promise<Pulled | undefined> {
  const { ref, credentials, platform, signal } = request;
  if (formatPlatform(platform) !== formatPlatform(parts.platform)) return undefined;
  const record = await getRecord(parts.client, recordNameOf(ref));
  if (record === undefined) return undefined;
  const { digest } = await parts.registry.head(ref, { credentials, signal });
  if (record.target.digest !== digest || !(await parts.isWhole(record))) return undefined;
  tellStart(request);
  if (record.labels[ORIGIN_LABEL] !== "pull")
    await putRecord(parts.client, pulledRecord(record.name, record.target), parts.clock.now());
  return { digest, isNew: false };
}

async function fetchImage(parts: PullParts, request: PullRequest): Promise<Pulled> {
  const { ref, credentials, platform, signal } = request;
  const resolved = await parts.registry.resolve(ref, { credentials, platform, signal });
  tellStart(request);
  const lease = await openLease(parts.address, `shoal-pull-${newId(parts.random)}`, parts.clock.now());
  try {
    await bringIn(parts, request, resolved, lease);
    const isNew = await nameIt(parts, request, resolved);
    await lease.release();
    return { digest: resolved.root.descriptor.digest, isNew };
  } catch (error) {
    // What is here already stays for the next try, until the lease expires.
    lease.leave();
    throw error;
  }
}

async function bringIn(
  parts: PullParts,
  request: PullRequest,
  resolved: Resolved,
  lease: ImageLease,
): Promise<void> {
  const { registry, clock } = parts;
  const { ref, credentials, tell, signal } = request;
  const chain = chainOf(resolved.config.parsed.diffIds);
  const layers = resolved.manifest.layers.flatMap((blob, i): WantedLayer[] => {
    const layer = chain[i];
    const fetch = (offset: number, stop: AbortSignal) =>
      registry.fetchBlob(ref, blob, { credentials, offset, signal: stop });
    return layer === undefined ? [] : [{ ...layer, blob, fetch }];
  });
  const documents = documentsOf(resolved, chain.at(-1)?.chainId);
  const writes = documents.map(({ descriptor, bytes, labels }) =>
    writeDocument(lease.client, clock, descriptor, bytes, labels),
  );
  // All have ended before the lease is let go.
  const [layersDone, ...rest] = await Promise.allSettled([
    parts.layers.bring({ lease, layers, tell, signal }),
    ...writes,
  ]);
  for (const part of [layersDone, ...rest]) if (part.status === "rejected") throw part.reason;
}

/** Indexes, manifest and config, each with the labels that keep what it refers to. */
function documentsOf(resolved: Resolved, topChainId: string | undefined) {
  const { documents, manifest, config } = resolved;
  const labelled = documents.map((document, i) => {
    const child = documents[i + 1]?.descriptor.digest;
    return { ...document, labels: child === undefined ? manifestLabels(manifest) : indexLabels(child) };
  });
  return [...labelled, { ...config, labels: configLabels(topChainId) }];
}

/** Writes a small blob that is in memory. */
export async function writeDocument(
  client: GrpcClient,
  clock: Clock,
  { digest, size }: Descriptor,
  bytes: Uint8Array,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  async function* source(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    yield bytes.subarray(offset);
  }
  await writeBlob(client, clock, { ref: `document-${digest}`, size, digest, labels, source });
}

/** Points the name to the image. True when it pointed elsewhere before, or nowhere. */
async function nameIt(
  parts: PullParts,
  { ref, platform }: PullRequest,
  resolved: Resolved,
): Promise<boolean> {
  const { client, clock } = parts;
  const name = recordNameOf(ref);
  const last = resolved.documents.at(-1)?.descriptor;
  const root = resolved.root.descriptor;
  // An index stands for this machine's platform; another platform's image is named by its own manifest.
  const isOurs = formatPlatform(platform) === formatPlatform(parts.platform) || !isIndexType(root.mediaType);
  const target = isOurs ? root : (last ?? root);
  const before = await getRecord(client, name);
  if (before !== undefined && before.target.digest !== target.digest)
    await keepByDigest(client, ref, before, clock);
  await putRecord(client, pulledRecord(name, target), clock.now());
  return before?.target.digest !== target.digest;
}

/** An image whose tag moves away stays, under its digest, as Docker's `<none>` images do. */
export async function keepByDigest(
  client: GrpcClient,
  ref: Reference,
  record: ImageRecord,
  clock: Clock,
): Promise<void> {
  const name = `${nameOf(ref)}@${record.target.digest}`;
  await putRecord(client, { name, target: record.target, labels: record.labels }, clock.now());
}

function pulledRecord(name: string, target: Descriptor): Omit<ImageRecord, "updatedAt"> {
  return { name, target, labels: { [ORIGIN_LABEL]: "pull" } };
}
