import { createHash } from "node:crypto";
import { Diff } from "../gen/containerd/diff_pb.ts";
import { Snapshots } from "../gen/containerd/snapshots_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";
import type { Descriptor, Digest } from "../registry/index.ts";
import { SNAPSHOTTER } from "./image-labels.ts";

/** One layer as a snapshot: the chain up to it, and what it lies on. */
export interface LayerSnapshot {
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Empty for the base layer. */
  readonly parent: string;
}

/** The snapshots of layers, base first (OCI image spec config.md, "Layer ChainID"). */
export function chainOf(diffIds: readonly Digest[]): LayerSnapshot[] {
  let parent = "";
  return diffIds.map((diffId) => {
    const chainId = parent === "" ? diffId : sha256(`${parent} ${diffId}`);
    const layer = { diffId, chainId, parent };
    parent = chainId;
    return layer;
  });
}

function sha256(text: string): Digest {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** True when the layer is unpacked. */
export async function hasSnapshot(client: GrpcClient, key: string): Promise<boolean> {
  try {
    await client.unary(Snapshots.method.stat, { snapshotter: SNAPSHOTTER, key });
    return true;
  } catch (error) {
    if (Fault.is(error, "not-found")) return false;
    throw error;
  }
}

/** The bytes and inodes that a committed layer takes on disk. */
export async function snapshotBytes(client: GrpcClient, key: string): Promise<number> {
  const { size } = await client.unary(Snapshots.method.usage, { snapshotter: SNAPSHOTTER, key });
  return Number(size);
}

/**
 * Unpacks a layer's blob onto its parent. `work` names the unfinished snapshot: unique per attempt, so that
 * one left by a crash is never in the way (its lease's expiry removes it).
 * Fault "invalid" when the content does not have the diff id that the image's config promises.
 */
export async function unpackLayer(
  client: GrpcClient,
  layer: LayerSnapshot,
  blob: Descriptor,
  work: string,
): Promise<void> {
  const snapshotter = SNAPSHOTTER;
  const { mounts } = await client.unary(Snapshots.method.prepare, {
    snapshotter,
    key: work,
    parent: layer.parent,
  });
  try {
    const diff = { mediaType: layerType(blob.mediaType), digest: blob.digest, size: BigInt(blob.size) };
    const { applied } = await client.unary(Diff.method.apply, { diff, mounts });
    if (applied?.digest !== layer.diffId) {
      throw new Fault(
        "invalid",
        `cannot unpack layer ${blob.digest}: wrong diff id calculated on extraction "${applied?.digest ?? ""}"`,
      );
    }
    await client.unary(Snapshots.method.commit, { snapshotter, name: layer.chainId, key: work });
  } catch (error) {
    await client.unary(Snapshots.method.remove, { snapshotter, key: work }).catch(() => {});
    throw error;
  }
}

/** containerd's differ takes foreign layer types only by their plain names. */
function layerType(mediaType: string): string {
  return mediaType
    .replace(".image.rootfs.foreign.diff", ".image.rootfs.diff")
    .replace(".layer.nondistributable", ".layer");
}
