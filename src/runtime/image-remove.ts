import { Fault } from "../lib/index.ts";
import { type Digest, familiarName, nameOf, type Reference } from "../registry/index.ts";
import { referenceOf, repoNames } from "./image-names.ts";
import { shortId } from "./image-progress.ts";
import type { ImageRecord } from "./image-records.ts";

/** A container that was made from an image. */
export interface ImageUser {
  readonly containerId: string;
  readonly isRunning: boolean;
}

/** One line of `docker rmi`. */
export type Removal = { readonly untagged: string } | { readonly deleted: string };

/** What removing comes down to. */
export interface RemovalPlan {
  /** The names to delete. */
  readonly names: readonly string[];
  readonly untagged: readonly string[];
  /** The image stays without a name, under its digest, for the containers that use it. */
  readonly keeps: boolean;
  /** No name is left: the content goes as well. */
  readonly deletes: boolean;
}

export interface RemovalQuestion {
  /** What the user wrote. */
  readonly text: string;
  /** The reference in it; undefined when the image was named by its id. */
  readonly ref: Reference | undefined;
  readonly id: Digest;
  /** All records of the image. */
  readonly records: readonly ImageRecord[];
  readonly users: readonly ImageUser[];
  readonly force: boolean;
}

/** Decides as Docker's engine does, and refuses in its words (moby daemon/images/image_delete.go). */
export function planRemoval(question: RemovalQuestion): RemovalPlan {
  return question.ref === undefined ? planById(question) : planByName(question, question.ref);
}

function planByName({ text, id, records, users, force }: RemovalQuestion, ref: Reference): RemovalPlan {
  const named = records.filter((record) => isMeant(ref, record));
  const isLast = records.every((record) => named.includes(record) || referenceOf(record)?.tag === undefined);
  if (!isLast) {
    return {
      names: named.map((r) => r.name),
      untagged: repoNames(named).repoTags,
      keeps: false,
      deletes: false,
    };
  }
  const [user] = users;
  if (user !== undefined && !force) {
    const using = `container ${user.containerId.slice(0, 12)} is using its referenced image ${shortId(id)}`;
    throw new Fault(
      "conflict",
      `conflict: unable to remove repository reference "${text}" (must force) - ${using}`,
    );
  }
  return user === undefined
    ? wholeImage(records)
    : { ...wholeImage(records), untagged: repoNames(records).repoTags, keeps: true, deletes: false };
}

function wholeImage(records: readonly ImageRecord[]): RemovalPlan {
  const { repoTags, repoDigests } = repoNames(records);
  const untagged = [...repoTags, ...repoDigests];
  return { names: records.map((record) => record.name), untagged, keeps: false, deletes: true };
}

function planById({ id, records, users, force }: RemovalQuestion): RemovalPlan {
  const repositories = new Set(records.flatMap((record) => repositoryOf(record) ?? []));
  const refuse = (how: string, why: string): never => {
    throw new Fault("conflict", `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
  };
  if (repositories.size > 1 && !force)
    refuse("must be forced", "image is referenced in multiple repositories");
  const running = users.find((user) => user.isRunning);
  if (running !== undefined) {
    refuse(
      "cannot be forced",
      `image is being used by running container ${running.containerId.slice(0, 12)}`,
    );
  }
  const [stopped] = users;
  if (stopped !== undefined && !force) {
    refuse("must be forced", `image is being used by stopped container ${stopped.containerId.slice(0, 12)}`);
  }
  return wholeImage(records);
}

/** A tag means its own record; a digest means all that its repository calls that digest. */
function isMeant(ref: Reference, record: ImageRecord): boolean {
  const own = referenceOf(record);
  if (own === undefined || nameOf(own) !== nameOf(ref)) return false;
  return ref.digest === undefined ? own.tag === (ref.tag ?? "latest") : record.target.digest === ref.digest;
}

function repositoryOf(record: ImageRecord): string | undefined {
  const ref = referenceOf(record);
  return ref && familiarName(ref);
}
