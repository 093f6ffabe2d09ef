import { equal, type Instant } from "../lib/index.ts";
import {
  DEFAULT_ROTATION_MS,
  isEncrypted,
  rotationOf,
  type TunnelMember,
  type TunnelRing,
} from "../model/index.ts";
import type { View } from "../store/index.ts";

/** What the ring follows. */
export interface TunnelNeed {
  /** Nodes that are on an encrypted network. */
  readonly members: readonly string[];
  /** How long an epoch lasts: the shortest time that an encrypted network asks for. */
  readonly periodMs: number;
}

/** Undefined while there is no encrypted network. */
export function tunnelNeed(view: View): TunnelNeed | undefined {
  const encrypted = [...view.all("network")].filter(({ spec }) => isEncrypted(spec));
  if (encrypted.length === 0) return undefined;
  const ids = new Set(encrypted.map(({ id }) => id));
  const members = [...view.all("node")].filter(({ attachments }) =>
    Object.keys(attachments).some((id) => ids.has(id)),
  );
  return {
    members: members.map(({ id }) => id).sort(),
    periodMs: Math.min(...encrypted.map(({ spec }) => rotationIn(spec))),
  };
}

/** Words that no control would store are an older Shoal's or nobody's: they stop nothing. */
function rotationIn(spec: Parameters<typeof rotationOf>[0]): number {
  try {
    return rotationOf(spec);
  } catch {
    return DEFAULT_ROTATION_MS;
  }
}

/**
 * The ring as it has to be at `now`: one epoch on when this one is over, never two, so that whoever is told of it one epoch
 * late still takes what the others send; and its members those who need keys. `newSecret` gives 32 random bytes in base64.
 * Undefined when nobody needs one; the same value when nothing is to change.
 */
export function planRing(
  ring: TunnelRing | undefined,
  need: TunnelNeed | undefined,
  now: Instant,
  newSecret: () => string,
): TunnelRing | undefined {
  if (need === undefined) return undefined;
  const turned = turn(ring, need.periodMs, now, newSecret);
  const members = follow(turned.members, need.members, newSecret);
  return equal(members, turned.members) ? turned : { ...turned, members };
}

function turn(
  ring: TunnelRing | undefined,
  periodMs: number,
  now: Instant,
  newSecret: () => string,
): TunnelRing {
  if (ring === undefined) {
    return { epoch: 1, since: now, secrets: [newSecret(), newSecret(), newSecret()], members: {} };
  }
  // A leader whose clock is behind that of the one before it counts from its own.
  if (now < ring.since) return { ...ring, since: now };
  if (now < ring.since + periodMs) return ring;
  const [, current, next] = ring.secrets;
  return { ...ring, epoch: ring.epoch + 1, since: now, secrets: [current, next, newSecret()] };
}

/** Those who stay keep their numbers, those who come get the lowest that are free. */
function follow(
  known: TunnelRing["members"],
  wanted: readonly string[],
  newSecret: () => string,
): TunnelRing["members"] {
  const members = new Map<string, TunnelMember>();
  for (const id of wanted) if (known[id] !== undefined) members.set(id, known[id]);
  const taken = new Set([...members.values()].map(({ number }) => number));
  let number = 0;
  for (const id of wanted) {
    if (members.has(id)) continue;
    while (taken.has(number)) number += 1;
    taken.add(number);
    members.set(id, { number, nonce: newSecret() });
  }
  return Object.fromEntries([...members].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** When the ring has to be looked at again although nothing else changes. */
export function ringIsDue(ring: TunnelRing, { periodMs }: TunnelNeed): Instant {
  return ring.since + periodMs;
}
