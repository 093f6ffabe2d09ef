import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { aesSeal, loadDataKey } from "./seal.ts";

const dataKey = new Uint8Array(32).fill(7);
const bytes = fc.uint8Array({ maxLength: 200 });

describe("aesSeal", () => {
  const seal = aesSeal(dataKey);

  test("opens what it sealed, under the same name only", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), bytes, (key, other, plain) => {
        const sealed = seal.seal(key, plain);
        expect(new Uint8Array(seal.open(key, sealed))).toEqual(new Uint8Array(plain));
        if (other !== key) expect(() => seal.open(other, sealed)).toThrow(Fault);
      }),
    );
  });

  test("refuses a value with any bit turned, cut short, or sealed with another key", () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (plain, at) => {
        const sealed = seal.seal("k", plain);
        const forged = Uint8Array.from(sealed, (b, i) => (i === at % sealed.length ? b ^ 1 : b));
        expect(() => seal.open("k", forged)).toThrow(Fault);
        expect(() => seal.open("k", sealed.subarray(0, at % sealed.length))).toThrow(Fault);
        expect(() => aesSeal(new Uint8Array(32)).open("k", sealed)).toThrow(Fault);
      }),
    );
  });

  test("says nothing of the value, and never the same twice", () => {
    const plain = new TextEncoder().encode("correct horse battery staple");
    const [one, two] = [seal.seal("k", plain), seal.seal("k", plain)].map((b) => Buffer.from(b));
    expect(one?.includes("horse")).toBe(false);
    expect(one?.equals(two!)).toBe(false);
  });
});

describe("loadDataKey", () => {
  const folders: string[] = [];
  const folder = () => {
    const made = mkdtempSync(join(tmpdir(), "shoal-key-"));
    folders.push(made);
    return made;
  };
  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true });
  });

  test("makes one for its owner alone, once", () => {
    const file = join(folder(), "deep", "data.key");
    const key = loadDataKey(file);
    expect(key.length).toBe(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Buffer.from(loadDataKey(file)).equals(Buffer.from(key))).toBe(true);
    expect(readFileSync(file).equals(Buffer.from(key))).toBe(true);
  });

  test("does not use a damaged one, and does not replace it", () => {
    const file = join(folder(), "data.key");
    writeFileSync(file, "short");
    expect(() => loadDataKey(file)).toThrow(`cannot use the data key ${file}: 5 bytes instead of 32`);
    expect(readFileSync(file, "utf8")).toBe("short");
  });

  test("says which file it cannot read", () => {
    const file = join(folder(), "data.key");
    writeFileSync(file, "");
    expect(() => loadDataKey(join(file, "inside"))).toThrow(/^cannot read the data key .*ENOTDIR/);
  });
});
