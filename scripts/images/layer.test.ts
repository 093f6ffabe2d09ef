import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { packLayer } from "./layer.ts";
import { CREATED } from "./oci.ts";
import { pathsIn } from "./tree.ts";

function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-layer-"));
  return work(folder).finally(() => rmSync(folder, { recursive: true }));
}

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function someTree(folder: string): string {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  writeFileSync(join(tree, "bin/run"), "#!/bin/sh\n");
  chmodSync(join(tree, "bin/run"), 0o755);
  writeFileSync(join(tree, "secret"), "not asked for");
  symlinkSync("bin/run", join(tree, "link"));
  return tree;
}

test("a layer holds what was asked for, and its digests are those of its file and of the tar in it", async () => {
  await inFolder(async (folder) => {
    const tree = someTree(folder);
    const file = join(folder, "layer.tgz");
    const layer = await packLayer({
      folder: tree,
      paths: ["bin", "bin/run", "link"],
      file,
      createdBy: "a test",
    });
    const packed = readFileSync(file);
    expect(layer).toMatchObject({ digest: digestOf(packed), size: packed.length });
    const tar = gunzipSync(packed);
    expect(layer.diffId).toBe(digestOf(tar));
    const entries: string[] = [];
    const reader = extract();
    reader.end(tar);
    for await (const entry of reader) {
      const { name, type, mode, mtime } = entry.header;
      expect(mtime?.getTime()).toBeLessThanOrEqual(Date.parse(CREATED));
      entries.push(`${name} ${type} ${mode?.toString(8)}`);
      entry.resume();
    }
    expect(entries).toEqual(["bin/ directory 755", "bin/run file 755", "link symlink 777"]);
  });
});

test("equal trees make equal layers", async () => {
  const digest = () =>
    inFolder(async (folder) => {
      const tree = someTree(folder);
      const target = { file: join(folder, "l.tgz"), createdBy: "a test" };
      return (await packLayer({ folder: tree, paths: pathsIn(tree), ...target })).digest;
    });
  expect(await digest()).toBe(await digest());
});

test("a path that is not there is an error with tar's reason", async () => {
  await inFolder(async (folder) => {
    const target = { file: join(folder, "l.tgz"), createdBy: "a test" };
    const packing = packLayer({ folder, paths: ["nowhere"], ...target });
    await expect(packing).rejects.toThrow(/cannot pack a test: tar: .*nowhere/);
  });
});
