/** Hides values at rest. `key` is bound into the result, so a value cannot be moved under another key. */
export interface Seal {
  seal(key: string, plain: Uint8Array): Uint8Array;
  /** Fault "internal" when the bytes were not sealed under this key. */
  open(key: string, sealed: Uint8Array): Uint8Array;
}

/** No hiding: for the fake backend. */
export const openSeal: Seal = { seal: (_, plain) => plain, open: (_, sealed) => sealed };
