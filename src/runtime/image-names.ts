import { Fault } from "../lib/index.ts";
import {
  type Digest,
  familiarName,
  familiarReference,
  formatReference,
  nameOf,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../registry/index.ts";
import { ORIGIN_LABEL } from "./image-labels.ts";
import type { ImageRecord } from "./image-records.ts";

const ID_REGEXP = /^(?:sha256:)?([0-9a-f]{1,64})$/;
const FULL_ID_REGEXP = /^sha256:[0-9a-f]{64}$/;

/** Docker's words for an image that is not here; its CLI pulls when it reads them. */
export function noSuchImage(text: string): Fault {
  return new Fault("not-found", `No such image: ${text}`);
}

/** The name of the record that a reference is kept under: a digest outdoes a tag. */
export function recordNameOf(ref: Reference): string {
  const { domain, path, digest } = ref;
  return formatReference(digest === undefined ? withDefaultTag(ref) : { domain, path, digest });
}

/** The reference in a record's name; undefined for names that are none (other tools may put such). */
export function referenceOf({ name }: ImageRecord): Reference | undefined {
  // An image without a name is kept under its id.
  return isFullId(name) ? undefined : tryReference(name);
}

/** The tags of a repository among these names, sorted. */
export function tagsOf(repository: Reference, records: readonly ImageRecord[]): Reference[] {
  return records
    .flatMap((record) => referenceOf(record) ?? [])
    .filter((ref) => ref.tag !== undefined && nameOf(ref) === nameOf(repository))
    .sort((a, b) => ((a.tag ?? "") < (b.tag ?? "") ? -1 : 1));
}

/** A repository, or a tag of it, of which nothing is here: Docker's words (moby distribution/push.go). */
export function nothingToPush(ref: Reference): Fault {
  return new Fault("not-found", `An image does not exist locally with the tag: ${familiarName(ref)}`);
}

/** What Docker shows as RepoTags and RepoDigests for records of one image, each sorted. */
export function repoNames(records: readonly ImageRecord[]): { repoTags: string[]; repoDigests: string[] } {
  const tags = new Set<string>();
  const digests = new Set<string>();
  for (const record of records) {
    const ref = referenceOf(record);
    if (ref === undefined) continue;
    if (ref.tag !== undefined) tags.add(familiarReference(ref));
    if (ref.digest !== undefined || record.labels[ORIGIN_LABEL] === "pull") {
      digests.add(`${familiarName(ref)}@${record.target.digest}`);
    }
  }
  return { repoTags: sorted(tags), repoDigests: sorted(digests) };
}

/** By code unit, the same everywhere. */
function sorted(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => (a < b ? -1 : Number(a > b)));
}

/** True when the text can only be an image id. */
export function isFullId(text: string): boolean {
  return FULL_ID_REGEXP.test(text);
}

/** The ids that a short or full id may mean. */
export function idsMatching(text: string, ids: Iterable<Digest>): Digest[] {
  const hex = ID_REGEXP.exec(text)?.[1];
  return hex === undefined ? [] : [...new Set(ids)].filter((id) => id.startsWith(`sha256:${hex}`));
}

/** Like parseReference, but undefined for text that is no reference (it may still be an id). */
export function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
