import type { DistributionInfo, ImageInfo } from "../model/index.ts";
import { formatTime, parseTime } from "./time.ts";

/** One row of GET /images/json. */
export function imageSummary(image: ImageInfo): Record<string, unknown> {
  return {
    Containers: -1,
    Created: Math.floor((image.createdAt ?? 0) / 1000),
    Id: image.id,
    Labels: Object.keys(image.labels).length > 0 ? image.labels : null,
    ParentId: "",
    RepoDigests: image.repoDigests,
    RepoTags: image.repoTags,
    SharedSize: -1,
    Size: image.sizeBytes,
  };
}

/** GET /images/{name}/json (moby api/types/image InspectResponse). */
export function imageInspect(image: ImageInfo): Record<string, unknown> {
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: "",
    Comment: textOf(image.history.at(-1)?.["comment"]),
    Created: formatTime(image.createdAt),
    DockerVersion: "",
    Author: image.author ?? "",
    Config: image.config,
    Architecture: image.platform.architecture ?? "",
    ...(image.platform.variant !== undefined && { Variant: image.platform.variant }),
    Os: image.platform.os ?? "",
    Size: image.sizeBytes,
    GraphDriver: { Data: null, Name: "overlayfs" },
    RootFS: { Type: "layers", Layers: image.layers },
    Metadata: { LastTagTime: formatTime(image.taggedAt) },
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** GET /images/{name}/history: newest first; the image's own id is known for the top alone. */
export function imageHistory(image: ImageInfo): Record<string, unknown>[] {
  let layer = 0;
  const rows = image.history.map((step) => ({
    Created: Number((parseTime(textOf(step["created"])) ?? 0n) / 1_000_000_000n),
    CreatedBy: textOf(step["created_by"]),
    Size: step["empty_layer"] === true ? 0 : (image.layerBytes[layer++] ?? 0),
    Comment: textOf(step["comment"]),
  }));
  return rows.reverse().map((row, i) => ({
    Id: i === 0 ? image.id : "<missing>",
    ...row,
    Tags: i === 0 ? image.repoTags : null,
  }));
}

/** GET /distribution/{name}/json. */
export function distributionToWire({ descriptor, platforms }: DistributionInfo): Record<string, unknown> {
  return {
    Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
    Platforms: platforms.map(({ architecture, os, variant }) => ({
      architecture,
      os,
      ...(variant !== undefined && { variant }),
    })),
  };
}
