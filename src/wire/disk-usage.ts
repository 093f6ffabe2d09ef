import type { Instant } from "../lib/index.ts";
import type { ContainerInfo, ImageInfo, VolumeInfo } from "../model/index.ts";
import { containerSummary } from "./container.ts";
import { imageSummary } from "./image.ts";
import { volumeToWire } from "./volume.ts";

/** What takes disk space on a node. Bytes. */
export interface DiskUsage {
  readonly images: readonly ImageInfo[];
  /** `bytes`: what the container wrote. */
  readonly containers: readonly { readonly container: ContainerInfo; readonly bytes: number }[];
  readonly volumes: readonly { readonly volume: VolumeInfo; readonly bytes: number }[];
}

/** GET /system/df (moby api/types/system DiskUsage). Volumes and images say how many containers have them. */
export function diskUsageToWire(usage: DiskUsage, now: Instant): Record<string, unknown> {
  const { images, containers, volumes } = usage;
  const users = containers.map(({ container }) => container);
  const byId = new Map(images.map((image) => [image.id, image]));
  const layers = countLayers(images);
  return {
    LayersSize: [...layers.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    Images: images.map((image) => ({
      ...imageSummary(image),
      SharedSize: sharedBytes(image, layers),
      Containers: users.filter(({ imageId }) => imageId === image.id).length,
    })),
    Containers: containers.map(({ container, bytes }) => {
      const image = byId.get(container.imageId);
      return {
        ...containerSummary(container, { now, image }),
        SizeRw: bytes,
        SizeRootFs: bytes + (image?.sizeBytes ?? 0),
      };
    }),
    Volumes: volumes.map(({ volume, bytes }) => ({
      ...volumeToWire(volume),
      UsageData: { Size: bytes, RefCount: users.filter((c) => hasVolume(c, volume)).length },
    })),
    BuildCache: [],
    BuilderSize: 0,
  };
}

function hasVolume({ mounts }: ContainerInfo, { name }: VolumeInfo): boolean {
  return mounts.some((mount) => mount.name === name);
}

interface Layer {
  readonly bytes: number;
  readonly images: number;
}

/** A layer is the same in two images when all below it is. */
function chainKeys({ layers }: ImageInfo): string[] {
  return layers.map((_, i) => layers.slice(0, i + 1).join(" "));
}

function countLayers(images: readonly ImageInfo[]): Map<string, Layer> {
  const counted = new Map<string, Layer>();
  for (const image of images) {
    for (const [i, key] of chainKeys(image).entries()) {
      const known = counted.get(key);
      counted.set(key, { bytes: image.layerBytes[i] ?? 0, images: (known?.images ?? 0) + 1 });
    }
  }
  return counted;
}

function sharedBytes(image: ImageInfo, layers: ReadonlyMap<string, Layer>): number {
  const shared = chainKeys(image)
    .flatMap((key) => layers.get(key) ?? [])
    .filter((layer) => layer.images > 1);
  return shared.reduce((sum, { bytes }) => sum + bytes, 0);
}
