import { expect, test } from "vitest";
import { KeyedLocks } from "./keyed-locks.ts";

/** Work that ends when told, and how much of it runs. */
function gate() {
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((end) => void ends.push(end));
  return { ends, work };
}

test("one at a time holds a key; other keys do not wait", async () => {
  const locks = new KeyedLocks();
  const { ends, work } = gate();
  const all = [locks.with("a", work), locks.with("a", work), locks.with("b", work)];
  await expect.poll(() => ends.length).toBe(2);
  ends[0]?.();
  await expect.poll(() => ends.length).toBe(3);
  for (const end of ends) end();
  await Promise.all(all);
});
