import { Gate } from "../lib/index.ts";

/** One holder per key: two pulls never make the same blob or layer at once. */
export class KeyedLocks {
  readonly #gates = new Map<string, Gate>();

  async with<T>(key: string, work: () => Promise<T>): Promise<T> {
    const gate = this.#gates.get(key) ?? new Gate(1);
    this.#gates.set(key, gate);
    try {
      return await gate.run(work);
    } finally {
      if (gate.isIdle) this.#gates.delete(key);
    }
  }
}
