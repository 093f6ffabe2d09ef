import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seededRandom } from "../lib/index.ts";
import { FifoStore } from "./container-fifos.ts";

test("FIFOs are put where they are wanted, many at a time, and the spare ones go", async () => {
  const dir = mkdtempSync(join(tmpdir(), "shoal-fifos-"));
  try {
    const store = new FifoStore(dir, seededRandom(1));
    const paths = Array.from({ length: 80 }, (_, i) => join(dir, `fifo${i}`));
    await Promise.all(paths.map((path) => store.put([path])));
    expect(paths.every((path) => statSync(path).isFIFO())).toBe(true);
    expect(statSync(join(dir, "fifo0")).mode & 0o777).toBe(0o600);
    const { ino } = statSync(join(dir, "fifo0"));
    await store.put([join(dir, "fifo0")]);
    expect(statSync(join(dir, "fifo0")).ino).toBe(ino);
    await store.close();
    expect(readdirSync(dir)).toHaveLength(80);
    expect(existsSync(join(dir, "fifo79"))).toBe(true);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
