/**
 * runtime: the containers, images and volumes of this node, over containerd's own gRPC API.
 * It never decides what should run, and programs no network: a container gets the path of a pinned namespace.
 */
export type {
  ContainerConfig,
  ContainerEvent,
  ContainerState,
  Containers,
  FileContents,
  LogEntry,
  LogOptions,
  Volumes,
} from "./container.ts";
export { ContainerdContainers } from "./containers.ts";
export type { Health, HealthStatus, ProbeResult } from "./health.ts";
export type { Images, ResolvedImage } from "./image.ts";
export { ImageCollector } from "./image-collector.ts";
export type { OnProgress } from "./image-progress.ts";
export { ImageUses } from "./image-uses.ts";

export { ContainerdImages } from "./images.ts";

export { SystemMounter } from "./volume-mounter.ts";
export { LocalVolumes } from "./volumes.ts";
