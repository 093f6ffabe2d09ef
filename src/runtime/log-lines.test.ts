import fc from "fast-check";
import { expect, test } from "vitest";
import { cutLines, MAX_PIECE_BYTES } from "./log-lines.ts";

const textsOf = (bytes: Buffer) => {
  const { pieces, rest } = cutLines(bytes);
  return { pieces: pieces.map(String), rest: String(rest) };
};

test("lines keep their newline, the last one waits for it", () => {
  expect(textsOf(Buffer.from("a\n\nb"))).toEqual({ pieces: ["a\n", "\n"], rest: "b" });
});

test("a long line is cut after 16 KiB, as Docker cuts it", () => {
  const long = "x".repeat(MAX_PIECE_BYTES);
  expect(textsOf(Buffer.from(long))).toEqual({ pieces: [long], rest: "" });
  expect(textsOf(Buffer.from(`${long}yz\nw`))).toEqual({ pieces: [long, "yz\n"], rest: "w" });
});

test("a long line is not cut inside a character", () => {
  for (const char of ["é", "€", "😀"]) {
    for (let shift = 0; shift < 4; shift++) {
      const text = "x".repeat(shift) + char.repeat(MAX_PIECE_BYTES);
      const { pieces } = cutLines(Buffer.from(text));
      expect(pieces.length).toBeGreaterThan(0);
      expect(pieces.map(String).join("")).not.toContain("\uFFFD");
    }
  }
});

const outputs = fc
  .array(
    fc.oneof(
      fc.constant(Buffer.from("\n")),
      fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.constantFrom("x", "é", "😀"), fc.nat(40_000))
        .map(([text, count]) => Buffer.from(text.repeat(count))),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

test("how output is cut does not depend on how it came, and nothing is lost", () => {
  fc.assert(
    fc.property(outputs, fc.array(fc.nat(60_000), { maxLength: 8 }), (bytes, sizes) => {
      const whole = cutLines(bytes);
      expect(Buffer.concat([...whole.pieces, whole.rest]).equals(bytes)).toBe(true);
      const pieces: Buffer[] = [];
      let rest = Buffer.alloc(0);
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        const cut = cutLines(Buffer.concat([rest, bytes.subarray(at, at + size)]));
        pieces.push(...cut.pieces);
        rest = Buffer.from(cut.rest);
        at = Math.min(bytes.length, at + size);
      }
      expect(pieces.map((p) => p.length)).toEqual(whole.pieces.map((p) => p.length));
      expect(rest.equals(whole.rest)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
