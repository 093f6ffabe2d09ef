import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEntry, encodeEntry, paddingOf, type TarEntry, type TarKind } from "./tar.ts";

const bytes = (max: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength: max })
    .map((all) => Buffer.from(all).toString("latin1").replaceAll("\0", "0"));
const name = bytes(300).map((text) => text.replace(/\/+$/, "") || "x");
const kind = fc.constantFrom<TarKind>("file", "link", "symlink", "character", "block", "folder", "fifo");

const anyEntry: fc.Arbitrary<TarEntry> = fc
  .record({
    ...{ kind, name, mode: fc.nat(0o7777), uid: fc.nat(2 ** 32 - 1), gid: fc.nat(2 ** 32 - 1) },
    size: fc.nat(3_000),
    mtime: fc.integer({ min: -(2 ** 31), max: 2 ** 36 }),
    target: bytes(300),
    device: fc.record({ major: fc.nat(4_095), minor: fc.nat(2 ** 20 - 1) }),
    attributes: fc.dictionary(fc.constantFrom("user.a", "security.capability"), bytes(40), { maxKeys: 2 }),
  })
  .map((entry) => ({
    ...entry,
    name: entry.kind === "folder" ? `${entry.name}/` : entry.name,
    size: entry.kind === "file" ? entry.size : 0,
    target: entry.kind === "link" || entry.kind === "symlink" ? entry.target : "",
  }));

function taker(archive: Buffer): (bytes: number) => Buffer {
  let at = 0;
  return (count) => {
    const taken = archive.subarray(at, at + count);
    at += taken.length;
    return taken;
  };
}

test("what is written is read again, whatever bytes its names have, one entry after the other", () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 5 }), (entries) => {
      const parts = entries.flatMap((entry) => [
        encodeEntry(entry),
        Buffer.alloc(entry.size, 7),
        Buffer.alloc(paddingOf(entry.size)),
      ]);
      const take = taker(Buffer.concat([...parts, Buffer.alloc(1_024)]));
      for (const entry of entries) {
        expect(decodeEntry(take)).toEqual(entry);
        expect(take(entry.size).every((byte) => byte === 7)).toBe(true);
        take(paddingOf(entry.size));
      }
      expect(decodeEntry(take)).toBeUndefined();
    }),
  );
});

test("no bytes make the reader do anything but give an entry, an end or a sentence", () => {
  const entry = fc.tuple(anyEntry, fc.nat(511), fc.nat(255)).map(([of, at, byte]) => {
    const block = encodeEntry({ ...of, size: 0 });
    block[at % block.length] = byte;
    return block;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        entry,
        fc.uint8Array({ maxLength: 2_000 }).map((all) => Buffer.from(all)),
      ),
      (block) => {
        try {
          decodeEntry(taker(block));
        } catch (error) {
          expect(error).toMatchObject({
            kind: "invalid",
            message: expect.stringMatching(/^cannot read the archive: /),
          });
        }
      },
    ),
  );
});

test("tar(1) of the machine reads what we write", () => {
  const long = `${"deep/".repeat(50)}file`;
  const of = { uid: 1, gid: 3_000_000, mtime: 0, device: { major: 0, minor: 0 }, attributes: {} };
  const archive = Buffer.concat([
    encodeEntry({ ...of, kind: "file", name: long, mode: 0o640, size: 3, target: "" }),
    Buffer.from("abc".padEnd(512, "\0")),
    encodeEntry({ ...of, kind: "symlink", name: "l", mode: 0o777, size: 0, target: "t".repeat(150) }),
    Buffer.alloc(1_024),
  ]);
  const listed = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], { input: archive, encoding: "utf8" });
  expect(listed).toMatch(new RegExp(`-rw-r----- 1/3000000 +3 .* ${long}\n`));
  expect(listed).toContain(`l -> ${"t".repeat(150)}\n`);
});

test("long names and big numbers of GNU's tar are read", () => {
  const archive = execFileSync("tar", [
    ...["--format=gnu", "--owner=:4000000", "-cf", "-", "--transform", `s,.*,${"n".repeat(180)},`],
    "/etc/hostname",
  ]);
  const entry = decodeEntry(taker(archive));
  expect(entry).toMatchObject({ kind: "file", name: "n".repeat(180), uid: 4_000_000 });
});
