import { Gate } from "./gate.ts";

/** One holder per key; the others wait, in the order they came. */
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
