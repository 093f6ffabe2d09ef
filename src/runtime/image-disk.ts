import { statfs } from "node:fs/promises";
import { Introspection } from "../gen/containerd/introspection_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { SNAPSHOTTER } from "./image-labels.ts";

/** How full the file system is on which containerd unpacks images; undefined when it does not say where that is. */
export async function imageDisk(
  client: GrpcClient,
): Promise<{ readonly usedBytes: number; readonly totalBytes: number } | undefined> {
  const filters = [`type==io.containerd.snapshotter.v1,id==${SNAPSHOTTER}`];
  const { plugins } = await client.unary(Introspection.method.plugins, { filters });
  const root = plugins[0]?.exports["root"];
  if (root === undefined) return undefined;
  // As df(1): what is kept back for root counts as neither used nor there.
  const { blocks, bfree, bavail, bsize } = await statfs(root);
  const used = blocks - bfree;
  return { usedBytes: used * bsize, totalBytes: (used + bavail) * bsize };
}
