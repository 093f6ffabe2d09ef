/** Chance, by the door: the real one is sys/random.ts, tests use a seeded one. */
export interface Random {
  /** `n` unpredictable bytes. */
  bytes(n: number): Uint8Array;
}

/** A whole number in [0, limit). */
export function randomInt(random: Random, limit: number): number {
  const b = random.bytes(6);
  let n = 0;
  for (const byte of b) n = n * 256 + byte;
  return n % limit;
}

/** A number in [0, 1). */
export function randomFloat(random: Random): number {
  return randomInt(random, 2 ** 40) / 2 ** 40;
}

/** Repeatable chance for tests and the simulator (mulberry32). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) & 0xff;
  };
  return { bytes: (n) => Uint8Array.from({ length: n }, next) };
}
