import { Fault, type Instant } from "../lib/index.ts";
import type { NetworkSpec } from "./network.ts";

/** Docker's word for a network whose tunnels are encrypted; what it is set to has no meaning. */
export const ENCRYPTED_OPTION = "encrypted";
/** How long a key of its tunnels is sent under, as in "12h", "30m", "45s". */
export const ROTATION_OPTION = "shoal.encryption.rotation";
/** Swarm's (swarm-map 3.8). */
export const DEFAULT_ROTATION_MS: number = 12 * 3_600_000;
/** A node has to be told of a new epoch within the old one. */
const ROTATION_RANGE = { leastMs: 1_000, mostMs: 7 * 24 * 3_600_000, words: "1s to 168h" } as const;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * What the keys of encrypted networks are made of, in the cluster object as long as there is such a network. Secret: it
 * never leaves a manager; nodes are told keys of their own pairs.
 */
export interface TunnelRing {
  /** From 1 up, one at a time. */
  readonly epoch: number;
  /** When it began. */
  readonly since: Instant;
  /** Of the epoch before, of this one and of the next: 32 random bytes each, in base64. */
  readonly secrets: readonly [last: string, current: string, next: string];
  /** By node id: who is on an encrypted network. */
  readonly members: Readonly<Record<string, TunnelMember>>;
}

export interface TunnelMember {
  /** From 0 up: tells the members apart in SPIs. */
  readonly number: number;
  /** Random, another each time the node comes to be a member: keys of an earlier time are used up. */
  readonly nonce: string;
}

/** What a node's agent said of itself as an end of encrypted tunnels. */
export interface TunnelEnd {
  /** Another one whenever the counters of what it sends may have begun anew: a key must not outlive it. */
  readonly boot: string;
  /** Why its kernel cannot encrypt, as half a sentence; "" when it can. */
  readonly lack: string;
}

export function isEncrypted({ driverOptions }: Pick<NetworkSpec, "driverOptions">): boolean {
  return ENCRYPTED_OPTION in driverOptions;
}

/** Milliseconds between two epochs that the network asks for. Fault "invalid" for words that say none. */
export function rotationOf({ driverOptions }: Pick<NetworkSpec, "driverOptions">): number {
  const words = driverOptions[ROTATION_OPTION];
  if (words === undefined) return DEFAULT_ROTATION_MS;
  const [, count = "", unit = ""] = /^(\d{1,7})([smh])$/.exec(words) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? 0);
  const { leastMs, mostMs } = ROTATION_RANGE;
  if (ms >= leastMs && ms <= mostMs) return ms;
  const what = `must be from ${ROTATION_RANGE.words}, in s, m or h`;
  throw new Fault("invalid", `invalid value "${words}" for ${ROTATION_OPTION}: ${what}`);
}
