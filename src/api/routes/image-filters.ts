import { Fault } from "../../lib/index.ts";
import { type Filters, filterValues, globFits, labelsFit, someFits } from "../../wire/index.ts";
import type { ImageInfo } from "../backends.ts";
import { isTrue } from "./container-filters.ts";

/** Every filter of GET /images/json that is accepted. */
export const IMAGE_FILTERS: readonly string[] = ["reference", "dangling", "label", "before", "since"];

/** The images that `docker images` asks for, newest first. */
export function listImages(images: readonly ImageInfo[], filters: Filters): ImageInfo[] {
  const before = madeAt(images, filters, "before") ?? Number.POSITIVE_INFINITY;
  const since = madeAt(images, filters, "since") ?? Number.NEGATIVE_INFINITY;
  return images
    .filter((image) => {
      const made = image.createdAt ?? 0;
      return (
        made < before &&
        made > since &&
        labelsFit(filters, "label", image.labels) &&
        someFits(filters, "dangling", (value) => isDangling(image) === isTrue("dangling", value))
      );
    })
    .flatMap((image) => withFittingNames(image, filters))
    .sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
}

/** When the image that a filter names was made. */
function madeAt(images: readonly ImageInfo[], filters: Filters, key: string): number | undefined {
  const [ref] = filterValues(filters, key);
  if (ref === undefined) return undefined;
  const hex = ref.replace(/^sha256:/, "");
  const found =
    images.find((i) =>
      [...i.repoTags, ...i.repoDigests].some((name) => name === ref || name === `${ref}:latest`),
    ) ?? images.find((i) => hex.length > 0 && i.id.slice("sha256:".length).startsWith(hex));
  if (found === undefined) throw new Fault("not-found", `No such image: ${ref}`);
  return found.createdAt ?? 0;
}

/** An image that no tag names any more. */
function isDangling({ repoTags }: ImageInfo): boolean {
  return repoTags.length === 0;
}

/** The image with those of its names that fit `reference`; nothing when none does. */
function withFittingNames(image: ImageInfo, filters: Filters): ImageInfo[] {
  const patterns = filterValues(filters, "reference");
  if (patterns.length === 0) return [image];
  const fits = (name: string) => patterns.some((pattern) => referenceFits(name, pattern));
  const repoTags = image.repoTags.filter(fits);
  const repoDigests = image.repoDigests.filter(fits);
  return repoTags.length + repoDigests.length === 0 ? [] : [{ ...image, repoTags, repoDigests }];
}

/** Docker's reference.FamiliarMatch: the pattern fits the whole reference, or its name alone. */
function referenceFits(reference: string, pattern: string): boolean {
  return globFits(reference, pattern) || globFits(reference.replace(/@.*$|:[^/:]*$/, ""), pattern);
}
