import { Containers } from "../gen/containerd/containers_pb.ts";
import { type ListSnapshotsResponse, Snapshots } from "../gen/containerd/snapshots_pb.ts";
import type { Mount } from "../gen/containerd/types_pb.ts";
import { faultOf, type GrpcClient } from "../grpc/index.ts";
import { Fault, type Instant } from "../lib/index.ts";
import { type ContainerRecord, decodeRecord, encodeRecord, extensionsOf } from "./container-record.ts";
import { SNAPSHOTTER } from "./image-labels.ts";
import { rfc3339 } from "./image-time.ts";
import type { OciSpec } from "./oci.ts";
import { decodeSpec } from "./spec.ts";

/** How long containerd may take for a change of its records. */
const DEADLINE = { deadlineMs: 30_000 };

/** Marks the snapshots of containers; nothing else of ours has it. containerd drops labels without a value. */
const SNAPSHOT_LABEL = "shoal.container";

/** Where a snapshot is, as containerd's own task service takes it. */
export type SnapshotMounts = readonly Pick<Mount, "type" | "source" | "target" | "options">[];

/**
 * Makes a container's writable snapshot on its image's layers. It is a root of its own for containerd's garbage collector until it
 * is removed: the container's record, which will hold it, comes later.
 */
export async function prepareSnapshot(
  client: GrpcClient,
  id: string,
  parent: string,
  now: Instant,
): Promise<SnapshotMounts> {
  const labels = { "containerd.io/gc.root": rfc3339(now), [SNAPSHOT_LABEL]: "true" };
  const request = { snapshotter: SNAPSHOTTER, key: id, parent, labels };
  return (await client.unary(Snapshots.method.prepare, request, DEADLINE)).mounts;
}

export async function snapshotMounts(client: GrpcClient, id: string): Promise<SnapshotMounts> {
  return (await client.unary(Snapshots.method.mounts, { snapshotter: SNAPSHOTTER, key: id }, DEADLINE))
    .mounts;
}

/** No error when it is gone. */
export async function removeSnapshot(client: GrpcClient, id: string): Promise<void> {
  await client
    .unary(Snapshots.method.remove, { snapshotter: SNAPSHOTTER, key: id }, DEADLINE)
    .catch(unlessGone);
}

/** Ids of the containers that have a snapshot. */
export async function listSnapshots(client: GrpcClient): Promise<string[]> {
  const filters = [`labels."${SNAPSHOT_LABEL}"`];
  const stream = client.serverStream(Snapshots.method.list, { snapshotter: SNAPSHOTTER, filters });
  const names: string[] = [];
  try {
    for await (const { info } of stream as AsyncIterable<ListSnapshotsResponse>) {
      names.push(...info.map(({ name }) => name));
    }
  } catch (error) {
    throw faultOf(error, "containerd List");
  }
  return names;
}

export async function putContainer(
  client: GrpcClient,
  record: ContainerRecord,
  spec: OciSpec,
): Promise<void> {
  await client.unary(Containers.method.create, { container: encodeRecord(record, spec) }, DEADLINE);
}

/** Keeps a changed record in the place of the old one; the process's spec stays. */
export async function updateContainer(client: GrpcClient, record: ContainerRecord): Promise<void> {
  const { id } = record.config;
  const request = {
    container: { id, extensions: extensionsOf(record) },
    updateMask: { paths: ["extensions"] },
  };
  await client.unary(Containers.method.update, request, DEADLINE);
}

/** Keeps a changed record, and the process's spec as `change` makes it. */
export async function replaceSpec(
  client: GrpcClient,
  record: ContainerRecord,
  change: (spec: OciSpec) => OciSpec,
): Promise<void> {
  const spec = change(await getSpec(client, record.config.id));
  const request = { container: encodeRecord(record, spec), updateMask: { paths: ["extensions", "spec"] } };
  await client.unary(Containers.method.update, request, DEADLINE);
}

/** No error when it is gone. */
export async function deleteContainer(client: GrpcClient, id: string): Promise<void> {
  await client.unary(Containers.method.delete, { id }, DEADLINE).catch(unlessGone);
}

export async function getContainer(client: GrpcClient, id: string): Promise<ContainerRecord | undefined> {
  try {
    const { container } = await client.unary(Containers.method.get, { id }, DEADLINE);
    return container && decodeRecord(container);
  } catch (error) {
    unlessGone(error);
    return undefined;
  }
}

/** The OCI spec it was made with. Fault "not-found". */
export async function getSpec(client: GrpcClient, id: string): Promise<OciSpec> {
  const { container } = await client.unary(Containers.method.get, { id }, DEADLINE);
  const bytes = container?.spec?.value;
  if (bytes === undefined) throw new Fault("internal", `cannot read container ${id}: it has no spec`);
  return decodeSpec(bytes);
}

export async function listContainers(client: GrpcClient): Promise<ContainerRecord[]> {
  const { containers } = await client.unary(Containers.method.list, {}, DEADLINE);
  return containers.flatMap((container) => decodeRecord(container) ?? []);
}

export function unlessGone(error: unknown): void {
  if (!Fault.is(error, "not-found")) throw error;
}
