import { createHmac } from "node:crypto";
import type { PeerKeys, TunnelKey } from "../dataplane/index.ts";
import type { Node, TunnelEnd, TunnelMember, TunnelRing } from "../model/index.ts";

/** An SPI: 8 bits of ours, 20 of the sender's number, 4 of the epoch. No two senders or neighbouring epochs share one. */
const SPI_BASE = 0x5300_0000;
const NUMBERS = 2 ** 20;
const EPOCHS = 16;
/** AES-128 key and salt (RFC 4106). */
const KEY_BYTES = 20;

/** A node as one end of a pair: it has said that it can encrypt, and is in the ring. */
interface End extends TunnelEnd, TunnelMember {
  readonly id: string;
}

/**
 * The keys that `self` shares with `peer`: three epochs that it takes, and those it sends under, this one first. Each is made
 * of the epoch's secret and of both ends, so that no node can make another's, and no key is used with counters that began
 * anew. Undefined while one of the two cannot have any.
 */
export function keysBetween(ring: TunnelRing, self: Node, peer: Node): PeerKeys | undefined {
  const [here, there] = [endOf(ring, self), endOf(ring, peer)];
  if (here === undefined || there === undefined || self.id === peer.id) return undefined;
  const [last, current, next] = [-1, 0, 1].map((step) => (from: End, to: End) => keyOf(ring, step, from, to));
  if (last === undefined || current === undefined || next === undefined) return undefined;
  return {
    nodeId: peer.id,
    inbound: [last, current, next].map((key) => key(there, here)),
    outbound: [current, last].map((key) => key(here, there)),
  };
}

function endOf(ring: TunnelRing, { id, tunnelEnd }: Node): End | undefined {
  const member = ring.members[id];
  if (member === undefined || tunnelEnd === undefined || tunnelEnd.lack !== "") return undefined;
  // A million members: the next has no SPI, and so no keys.
  return member.number < NUMBERS ? { id, ...tunnelEnd, ...member } : undefined;
}

function keyOf({ epoch, secrets }: TunnelRing, step: number, from: End, to: End): TunnelKey {
  const number = epoch + step;
  const ends = [from, to].map(({ id, nonce, boot }) => [id, nonce, boot]);
  // JSON keeps one part from running into the next.
  const info = JSON.stringify(["shoal esp", number, ...ends]);
  const key = hkdf(secrets[step + 1] ?? "", info);
  return { spi: SPI_BASE + from.number * EPOCHS + (number % EPOCHS), key: key.toString("hex") };
}

/** By secret in base64: what HKDF takes from it before it looks at anything else. Those of a ring or two. */
const extracted = new Map<string, Buffer>();
const MOST_EXTRACTED = 8;

/**
 * HKDF with SHA-256 and no salt, for one block at most (RFC 5869): as node's `hkdfSync`, which takes ten times as long where
 * thousands of keys come from one secret.
 */
function hkdf(secret: string, info: string): Buffer {
  let start = extracted.get(secret);
  if (start === undefined) {
    start = createHmac("sha256", Buffer.alloc(32)).update(Buffer.from(secret, "base64")).digest();
    if (extracted.size >= MOST_EXTRACTED) extracted.clear();
    extracted.set(secret, start);
  }
  return createHmac("sha256", start).update(info).update("\x01").digest().subarray(0, KEY_BYTES);
}
