import type { PeerKeys } from "../dataplane/index.ts";
import { type Random, randomHex } from "../lib/index.ts";

const BYTES = 16;
/** More than are used up within two epochs by any but a flood of changes. */
const REMEMBERED = 10_000;

/**
 * By which name managers tell this agent's keys from those of another time. What is sent under a key is counted, and
 * receivers take no number twice: when the count may have begun anew, the node needs other keys, and so another name.
 */
export class Incarnation {
  readonly #random: Random;
  #name: string;
  #using: ReadonlySet<string> = new Set();
  /** Keys that were sent under, and are in the kernel no more, or not as they were. */
  readonly #spent = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
    this.#name = randomHex(random, BYTES);
  }

  get name(): string {
    return this.#name;
  }

  /** What was sent under until now is used up. */
  renew(): void {
    this.#name = randomHex(this.#random, BYTES);
    this.#spend(this.#using);
    this.#using = new Set();
  }

  /** The keys as they may be used: nothing is sent under one that is used up. Who then has to ask for others is told by `isShort`. */
  admit(peers: readonly PeerKeys[]): { readonly peers: readonly PeerKeys[]; readonly isShort: boolean } {
    const now = new Set(peers.flatMap(({ outbound }) => outbound.map(({ key }) => key)));
    this.#spend([...this.#using].filter((key) => !now.has(key)));
    this.#using = new Set([...now].filter((key) => !this.#spent.has(key)));
    const isUsedUp = ({ outbound: [current] }: PeerKeys) =>
      current !== undefined && this.#spent.has(current.key);
    const admitted = peers.map((peer) => ({
      ...peer,
      outbound: isUsedUp(peer) ? [] : peer.outbound.filter(({ key }) => this.#using.has(key)),
    }));
    return { peers: admitted, isShort: peers.some(isUsedUp) };
  }

  #spend(keys: Iterable<string>): void {
    for (const key of keys) this.#spent.add(key);
    for (const oldest of this.#spent) {
      if (this.#spent.size <= REMEMBERED) return;
      this.#spent.delete(oldest);
    }
  }
}
