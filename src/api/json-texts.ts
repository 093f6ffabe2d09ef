interface Known {
  readonly beside: readonly unknown[];
  readonly text: string;
}

/**
 * The JSON of frozen objects, which the store's are: each is put in words once, and again when it is shown beside others than the last
 * time. A list of 500 services is asked for far more often than one of them changes.
 */
export class JsonTexts<T extends object> {
  readonly #known = new WeakMap<T, Known>();

  /** `beside`: all else, frozen too, that `make` looks at. */
  of(object: T, beside: readonly unknown[], make: () => unknown): string {
    const known = this.#known.get(object);
    if (known !== undefined && isSame(known.beside, beside)) return known.text;
    const text = JSON.stringify(make());
    this.#known.set(object, { beside, text });
    return text;
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
