/** Counts what is in use, in all and by each user, up to a limit for both. */
export class Shares {
  readonly #limits: { readonly all: number; readonly each: number };
  readonly #used = new Map<string, number>();
  #all = 0;

  constructor(limits: { readonly all: number; readonly each: number }) {
    this.#limits = limits;
  }

  /** Takes one for `user`; false when there is none left. */
  take(user: string): boolean {
    const used = this.#used.get(user) ?? 0;
    if (this.#all >= this.#limits.all || used >= this.#limits.each) return false;
    this.#all++;
    this.#used.set(user, used + 1);
    return true;
  }

  /** Gives one back that `user` took. */
  give(user: string): void {
    const used = (this.#used.get(user) ?? 1) - 1;
    this.#all--;
    if (used === 0) this.#used.delete(user);
    else this.#used.set(user, used);
  }
}
