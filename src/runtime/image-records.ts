import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Image, Images } from "../gen/containerd/images_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault, type Instant } from "../lib/index.ts";
import type { Descriptor } from "../registry/index.ts";

/** One of containerd's image objects: a name for a manifest or index. */
export interface ImageRecord {
  /** A normalised reference. */
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly updatedAt: Instant;
}

/** All records, or those that a containerd filter lets through (`target.digest==sha256:…`, `name==…`). */
export async function listRecords(client: GrpcClient, ...filters: string[]): Promise<ImageRecord[]> {
  const { images } = await client.unary(Images.method.list, { filters });
  return images.map(toRecord);
}

/** The record of a name; undefined when there is none. */
export async function getRecord(client: GrpcClient, name: string): Promise<ImageRecord | undefined> {
  try {
    const { image } = await client.unary(Images.method.get, { name });
    return image && toRecord(image);
  } catch (error) {
    if (Fault.is(error, "not-found")) return undefined;
    throw error;
  }
}

/** Makes the name point to the target, whether or not it was there. */
export async function putRecord(
  client: GrpcClient,
  record: Omit<ImageRecord, "updatedAt">,
  now: Instant,
): Promise<void> {
  const { mediaType, digest, size } = record.target;
  const image = {
    name: record.name,
    labels: { ...record.labels },
    target: { mediaType, digest, size: BigInt(size) },
    createdAt: timestampFromMs(now),
    updatedAt: timestampFromMs(now),
  };
  try {
    await client.unary(Images.method.create, { image });
  } catch (error) {
    if (!Fault.is(error, "exists")) throw error;
    await client.unary(Images.method.update, { image });
  }
}

/** Removes a name; with `sync`, containerd has collected what only it held when this returns. */
export async function deleteRecord(client: GrpcClient, name: string, sync = false): Promise<void> {
  await client.unary(Images.method.delete, { name, sync }).catch((error: unknown) => {
    if (!Fault.is(error, "not-found")) throw error;
  });
}

function toRecord({ name, target, labels, updatedAt }: Image): ImageRecord {
  return {
    name,
    target: {
      mediaType: target?.mediaType ?? "",
      digest: target?.digest ?? "",
      size: Number(target?.size ?? 0),
    },
    labels,
    updatedAt: updatedAt === undefined ? 0 : timestampMs(updatedAt),
  };
}
