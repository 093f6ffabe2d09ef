/** Objects grouped by some of their fields. A change costs the groups of its own object and nothing else. */
export class GroupIndex<T extends { readonly id: string }> {
  readonly #groups = new Map<string, Map<string, T>>();
  readonly #keysOf: (object: T) => readonly string[];

  constructor(keysOf: (object: T) => readonly string[]) {
    this.#keysOf = keysOf;
  }

  /** Takes `before` out of its groups and puts `after` into its own; an object that stays keeps its place. */
  move(before: T | undefined, after: T | undefined): void {
    const to = after === undefined ? [] : this.#keysOf(after);
    if (before !== undefined) {
      for (const key of this.#keysOf(before)) if (!to.includes(key)) this.#leave(key, before.id);
    }
    if (after !== undefined) for (const key of to) this.#enter(key, after);
  }

  of(key: string): Iterable<T> {
    return this.#groups.get(key)?.values() ?? [];
  }

  /** One of the group, when there is any. */
  first(key: string): T | undefined {
    for (const object of this.of(key)) return object;
    return undefined;
  }

  #enter(key: string, object: T): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Map([[object.id, object]]));
    else group.set(object.id, object);
  }

  #leave(key: string, id: string): void {
    const group = this.#groups.get(key);
    group?.delete(id);
    if (group?.size === 0) this.#groups.delete(key);
  }
}
