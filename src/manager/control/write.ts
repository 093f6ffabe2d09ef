import type { Change } from "../../model/index.ts";
import type { Store, View } from "../../store/index.ts";

/** The last write of each store, done or not. */
const last = new WeakMap<Store, Promise<unknown>>();

/**
 * Read, check, write: one user's write at a time. The store guards versions of objects; that no two objects get one name,
 * port or subnet is only seen by looking at all of them, which must not happen to two users at once.
 */
export function write(store: Store, decide: (view: View) => readonly Change[]): Promise<void> {
  const before = last.get(store) ?? Promise.resolve();
  const done = before.then(() => store.mutate(decide));
  last.set(
    store,
    done.catch(() => undefined),
  );
  return done;
}
