import type { Descriptor, Digest, ImageManifest } from "../registry/index.ts";

/** The one snapshotter in use; every kernel that runs containers has overlayfs. */
export const SNAPSHOTTER = "overlayfs";

/** Where an image record came from; only pulled ones have a digest that a registry knows. */
export const ORIGIN_LABEL = "shoal.image.origin";

/** On a record that only pulls for tasks put here: such an image may be collected. */
export const FOR_TASKS_LABEL = "shoal.image.for-tasks";

const REF_CONTENT = "containerd.io/gc.ref.content";
const REF_SNAPSHOT = `containerd.io/gc.ref.snapshot.${SNAPSHOTTER}`;

// Labels by which containerd's garbage collector walks from an image to what it needs
// (containerd docs/garbage-collection.md).

export function indexLabels(child: Digest): Record<string, string> {
  return { [`${REF_CONTENT}.m.0`]: child };
}

export function manifestLabels({ config, layers }: ImageManifest): Record<string, string> {
  const ofLayers = layers.map((layer: Descriptor, i) => [`${REF_CONTENT}.l.${i}`, layer.digest]);
  return { [`${REF_CONTENT}.config`]: config.digest, ...Object.fromEntries(ofLayers) };
}

export function configLabels(chainId: string | undefined): Record<string, string> {
  return chainId === undefined ? {} : { [REF_SNAPSHOT]: chainId };
}

/** Ties an uncompressed layer's digest to the compressed blob, as containerd's own tools do. */
export function layerLabels(diffId: Digest): Record<string, string> {
  return { "containerd.io/uncompressed": diffId };
}
