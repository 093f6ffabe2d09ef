import type { Kind, Kinds } from "../model/index.ts";
import type { Derived } from "./view.ts";

/**
 * Counts objects of a kind by key, and a key without any is not there; objects without a key are not counted. For finding the few that
 * wait among many.
 */
export function tallyOf<K extends Kind>(
  kind: K,
  keyOf: (object: Kinds[K]) => string | undefined,
): Derived<Map<string, number>> {
  const move = (state: Map<string, number>, object: Kinds[K] | undefined, step: 1 | -1): void => {
    const key = object === undefined ? undefined : keyOf(object);
    if (key === undefined) return;
    const count = (state.get(key) ?? 0) + step;
    if (count === 0) state.delete(key);
    else state.set(key, count);
  };
  return {
    empty: () => new Map(),
    fork: (state) => new Map(state),
    apply(state, change) {
      if (change.kind !== kind) return;
      move(state, change.before as Kinds[K] | undefined, -1);
      move(state, change.after as Kinds[K] | undefined, 1);
    },
  };
}
