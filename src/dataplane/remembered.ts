/**
 * What this folder's pure functions made before, for as long as what it was made of lives. Nothing depends on it but time and
 * identity: parts of a plan whose facts are the same objects come out as the same objects, so that whoever compares two plans
 * need not look into them.
 */
export class Remembered<K extends object, V> {
  readonly #known = new WeakMap<K, V[]>();

  /** What was made of `key` and fits, or else what `make` makes now. */
  get(key: K, fits: (value: V) => boolean, make: () => V): V {
    const known = this.#known.get(key) ?? [];
    const found = known.find(fits);
    if (found !== undefined) return found;
    const made = make();
    // A row is in few networks; what fits none of them any more goes.
    this.#known.set(key, [made, ...known.slice(0, MOST - 1)]);
    return made;
  }
}

const MOST = 8;

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => Object.is(item, b[i]));
}
