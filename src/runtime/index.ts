/**
 * runtime: the containers, images and volumes of this node, over containerd's own gRPC API.
 * It never decides what should run, and programs no network: a container gets the path of a pinned namespace.
 */
export type {
  BindMount,
  ContainerConfig,
  ContainerEvent,
  ContainerState,
  Containers,
  LogEntry,
  LogOptions,
  Mount,
  ResolvedMount,
  TmpfsMount,
  Volume,
  VolumeMount,
  Volumes,
} from "./container.ts";
export { ContainerdContainers, type ContainersOptions } from "./containers.ts";
export type {
  EnsuredImage,
  Images,
  LocalImage,
  Pulled,
  PullOptions,
  RemoveOptions,
  ResolvedImage,
} from "./image.ts";
export type { ContainerdAddress } from "./image-client.ts";
export type { ImageProgress, OnProgress } from "./image-progress.ts";
export type { ImageUser, Removal } from "./image-remove.ts";
export { ContainerdImages, type ImagesOptions } from "./images.ts";
export type { LoadedImage } from "./load.ts";
export { LocalVolumes, type LocalVolumesOptions } from "./volumes.ts";
