import { Fault, parseIpv4 } from "../lib/index.ts";

/** What a node may say of itself is bounded: a manager keeps it, and other users read it. */
export const BOUNDS = {
  /** Ids of objects and subscriptions. */
  id: 128,
  /** Names, addresses, versions. */
  word: 512,
  /** Messages for people; longer ones are cut. */
  sentence: 4_096,
  /** A node's whole description, in characters: it is written down at each of its sessions. */
  description: 65_536,
  /** Entries of lists in a node's description, and ports of a task. */
  entries: 1_024,
} as const;

/** A text for people, cut to what a manager keeps. */
export function clip(text: string): string {
  return text.length <= BOUNDS.sentence ? text : `${text.slice(0, BOUNDS.sentence - 1)}…`;
}

/** A word no longer than `limit`, or an "invalid" Fault. */
export function word(what: string, text: string, limit: number = BOUNDS.word): string {
  if (text.length > limit) throw malformed(`${what} has ${text.length} characters, more than ${limit}`);
  return text;
}

/** A list no longer than the bound, or an "invalid" Fault. */
export function few<T>(what: string, list: readonly T[]): readonly T[] {
  if (list.length > BOUNDS.entries) {
    throw malformed(`${what} has ${list.length} entries, more than ${BOUNDS.entries}`);
  }
  return list;
}

/** One of the words there are, or an "invalid" Fault. */
export function oneOf<T extends string>(what: string, text: string, words: readonly T[]): T {
  const found = words.find((w) => w === text);
  if (found === undefined) throw malformed(`${what} is not one of ${words.join(", ")}`);
  return found;
}

/** An int64 as a number that is exact, not negative; or an "invalid" Fault. */
export function count(what: string, value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`${what} is out of range`);
  return Number(value);
}

/** A port number, or an "invalid" Fault. 0 is none. */
export function port(what: string, value: number): number {
  if (value > 65_535) throw malformed(`${what} is no port`);
  return value;
}

/** From here on: multicast, reserved, broadcast. */
const FIRST_MULTICAST = 224 * 2 ** 24;
const THIS_NETWORK = 2 ** 24;

/**
 * An IPv4 address that one machine can have, or "" for none; or an "invalid" Fault. Every node builds firewall sets and
 * tunnels from these: what is no address must not get there.
 */
export function ipv4(what: string, text: string): string {
  if (text === "") return text;
  const address = parseIpv4(text);
  if (address === undefined || address < THIS_NETWORK || address >= FIRST_MULTICAST) {
    throw malformed(`${what} is not a machine's IPv4 address`);
  }
  return text;
}

export function malformed(why: string): Fault {
  return new Fault("invalid", `cannot read a node's message: ${why}`);
}
