import fc from "fast-check";
import { expect, test } from "vitest";
import { fileChangesToWire, goFileMode, pathStatHeader } from "./tree.ts";

/** As Go's os.Lstat said them of these files on a Linux machine. */
test.each([
  ["a file", 0o100644, 0o644],
  ["a folder", 0o040755, 0x80000000 + 0o755],
  ["a link", 0o120777, 0x08000000 + 0o777],
  ["/dev/null", 0o020666, 0x04200000 + 0o666],
  ["a disk", 0o060660, 0x04000000 + 0o660],
  ["a pipe", 0o010600, 0x02000000 + 0o600],
  ["a socket", 0o140700, 0x01000000 + 0o700],
  ["/usr/bin/passwd", 0o104755, 0x00800000 + 0o755],
  ["/usr/bin/chage", 0o102755, 0x00400000 + 0o755],
  ["/tmp", 0o041777, 0x80100000 + 0o777],
])("the mode of %s in Go's bits", (_, mode, go) => {
  expect(goFileMode(mode)).toBe(go);
});

test("no two modes are one in Go's bits", () => {
  const kinds = [0o100000, 0o040000, 0o120000, 0o020000, 0o060000, 0o010000, 0o140000];
  const mode = fc
    .tuple(fc.constantFrom(...kinds), fc.integer({ min: 0, max: 0o7777 }))
    .map(([kind, bits]) => kind | bits);
  fc.assert(
    fc.property(mode, mode, (a, b) => {
      expect(goFileMode(a) === goFileMode(b)).toBe(a === b);
      expect(goFileMode(a) & 0o777).toBe(a & 0o777);
    }),
  );
});

test("a path's facts are base64 of JSON, whatever its name", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.bigInt({ min: 0n, max: 4n * 10n ** 18n }),
      (name, mtime) => {
        const header = pathStatHeader({ name, size: 3, mode: 0o100600, mtime, linkTarget: name });
        expect(header).toMatch(/^[A-Za-z0-9+/]+=*$/);
        expect(JSON.parse(Buffer.from(header, "base64").toString())).toEqual({
          ...{ name, size: 3, mode: 0o600, linkTarget: name },
          mtime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/),
        });
      },
    ),
  );
});

test("changes have Docker's numbers", () => {
  const kinds = ["modified", "added", "deleted"] as const;
  expect(fileChangesToWire(kinds.map((kind) => ({ kind, path: `/${kind}` })))).toEqual([
    { Path: "/modified", Kind: 0 },
    { Path: "/added", Kind: 1 },
    { Path: "/deleted", Kind: 2 },
  ]);
});
