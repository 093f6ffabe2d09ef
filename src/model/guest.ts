import type { FaultKind } from "../lib/index.ts";
import type { Meta } from "./meta.ts";
import type { Attachment } from "./task.ts";

/**
 * A container that somebody made by hand on a node (`docker run`), as far as it is on overlay networks of the cluster. It is of no
 * service, nobody schedules it, and it lives until its node lets go of it. Its id is the container's, so that nobody can be it twice.
 */
export interface Guest extends Meta {
  /** Where it runs; it never moves. */
  readonly nodeId: string;
  readonly spec: GuestSpec;
  /** Its place on each network of its spec. */
  readonly attachments: readonly Attachment[];
}

export interface GuestSpec {
  /** The container's name: what it is called on its networks. */
  readonly name: string;
  readonly networks: readonly GuestNetwork[];
}

export interface GuestNetwork {
  /** The network's id. */
  readonly target: string;
  /** Further names there. */
  readonly aliases: readonly string[];
  /** Addresses that were asked for. */
  readonly address?: string;
  readonly address6?: string;
}

/** What a node asks for one of its containers. A container without networks is none of the cluster's business any more. */
export interface GuestWish {
  readonly id: string;
  readonly name: string;
  readonly networks: readonly (Omit<GuestNetwork, "target"> & {
    /** Name, id or unique beginning of an id, as the user wrote it. */
    readonly ref: string;
    /** Addresses that the container uses there already: it is to have no others. */
    readonly used?: { readonly address: string; readonly address6?: string };
  })[];
}

/** A container's id as Docker writes it. */
const ID_REGEXP = /^[0-9a-f]{64}$/;
/** moby daemon/names RestrictedNamePattern. */
const NAME_REGEXP = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export function isContainerId(text: string): boolean {
  return ID_REGEXP.test(text);
}

export function isContainerName(text: string): boolean {
  return NAME_REGEXP.test(text);
}

/** The beginning of a container's id that Docker shows, and that is one of its names. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** A wish as one of many of its node's: the answer names its number. */
export interface NumberedWish extends GuestWish {
  readonly number: number;
}

/** Which network a word of a wish means. */
export interface GuestPlace {
  readonly ref: string;
  readonly networkId: string;
  readonly name: string;
}

/** Why a wish cannot be fulfilled. */
export interface GuestRefusal {
  readonly kind: FaultKind;
  readonly message: string;
  /** The word of the wish that it is about; empty: all of it. */
  readonly ref: string;
}
