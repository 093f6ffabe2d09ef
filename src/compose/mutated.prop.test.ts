import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFiles } from "./files.fake.ts";

/*
 * Files that somebody broke: reading them never throws, and each error has a place within the file. A few hundred here;
 * MUTANTS=10000 for more.
 */

const RUNS = Number(process.env["MUTANTS"] ?? 300);
const FOLDER = resolve(import.meta.dirname, "../../examples/stacks");
const FILES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yml"))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), "utf8"));

/** What breaks files in real life, and what breaks readers. */
const PIECES = [
  ..."{}[]:,-&*!|>'\"%@`#$?\t\n \0é\u{1F433}",
  ...[
    "${",
    "${A:-",
    "$$",
    "<<: *x",
    "&x",
    "*x",
    "!reset",
    "!override",
    "!!binary",
    "---",
    "...",
    "~",
    "null",
    "0x1f",
    "1e999",
  ],
  ...[
    "services:",
    "  web:",
    "    image: ",
    "deploy: {",
    "- ",
    "? ",
    "extends: web",
    "include: [stack.yml]",
    "ports: [1-99999:1]",
  ],
];

interface Cut {
  readonly at: number;
  readonly drop: number;
  readonly put: string;
}

const cut: fc.Arbitrary<Cut> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(80)),
  put: fc.oneof(fc.constant(""), fc.constantFrom(...PIECES), fc.string({ maxLength: 8 })),
});

function mutate(text: string, cuts: readonly Cut[]): string {
  return cuts.reduce((whole, { at, drop, put }) => {
    const from = Math.floor(at * whole.length);
    return whole.slice(0, from) + put + whole.slice(from + drop);
  }, text);
}

test("a mutated file never breaks the reader, and every problem has its place", () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...FILES), fc.array(cut, { minLength: 1, maxLength: 4 }), (text, cuts) => {
      const broken = mutate(text, cuts);
      const { stack, problems } = readFiles({ "stack.yml": broken });
      const errors = problems.filter(({ severity }) => severity === "error");
      expect(stack === undefined).toBe(errors.length > 0);
      if (stack === undefined) refused++;
      const lines = broken.split(/\r\n|\n|\r/);
      for (const { at, message } of problems) {
        expect(message).not.toMatch(/undefined|\[object|NaN/);
        if (!at.file.endsWith("stack.yml")) continue;
        expect(at.line).toBeGreaterThanOrEqual(1);
        expect(at.line).toBeLessThanOrEqual(lines.length + 1);
        expect(at.column).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: RUNS },
  );
  expect(refused, "mutations must break some").toBeGreaterThan(RUNS / 10);
});
