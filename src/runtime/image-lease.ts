import { Leases } from "../gen/containerd/leases_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";
import { type ContainerdAddress, connectContainerd } from "./image-client.ts";
import { SNAPSHOTTER } from "./image-labels.ts";
import { rfc3339 } from "./image-time.ts";

/** How long a broken-off pull's layers are kept for the next try. */
const LIFE_MS = 60 * 60_000;

/** Holds what a job makes until an image record does; a job that dies leaves it to expire. */
export interface ImageLease {
  readonly id: string;
  /** Its calls make things under the lease. */
  readonly client: GrpcClient;
  holdContent(digest: Digest): Promise<void>;
  holdSnapshot(key: string): Promise<void>;
  /** Lets go of all; with `sync`, what nothing else holds is gone when it returns. */
  release(options?: { sync?: boolean }): Promise<void>;
  /** Closes the client and leaves the lease to its expiry. */
  leave(): void;
}

/** Opens a lease named `id` that expires by itself (label containerd.io/gc.expire). */
export async function openLease(address: ContainerdAddress, id: string, now: number): Promise<ImageLease> {
  const client = connectContainerd(address, id);
  const labels = { "containerd.io/gc.expire": rfc3339(now + LIFE_MS) };
  await client.unary(Leases.method.create, { id, labels });
  const hold = async (type: string, resource: string): Promise<void> => {
    await client
      .unary(Leases.method.addResource, { id, resource: { id: resource, type } })
      .catch(unlessExists);
  };
  return {
    id,
    client,
    holdContent: (digest) => hold("content", digest),
    holdSnapshot: (key) => hold(`snapshots/${SNAPSHOTTER}`, key),
    async release({ sync = false } = {}) {
      await client.unary(Leases.method.delete, { id, sync }).finally(() => client.close());
    },
    leave: () => client.close(),
  };
}

function unlessExists(error: unknown): void {
  if (!Fault.is(error, "exists")) throw error;
}
