import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { chainOf } from "./image-unpack.ts";

const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

test("a layer's chain id is made of the one below and its own diff id", () => {
  const [a, b, c] = [sha256("a"), sha256("b"), sha256("c")];
  const ab = sha256(`${a} ${b}`);
  expect(chainOf([a, b, c])).toEqual([
    { diffId: a, chainId: a, parent: "" },
    { diffId: b, chainId: ab, parent: a },
    { diffId: c, chainId: sha256(`${ab} ${c}`), parent: ab },
  ]);
  expect(chainOf([])).toEqual([]);
});
