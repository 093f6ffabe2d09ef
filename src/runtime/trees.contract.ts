import { gzipSync } from "node:zlib";
import { extract, type Header, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContainersHarness } from "./containers.contract.ts";
import type { WriteTree } from "./tree.ts";

type Entry = Partial<Omit<Header, "pax">> & {
  readonly name: string;
  readonly content?: string;
  readonly pax?: Readonly<Record<string, string>> | null;
};

const MADE_MS = 1_600_000_000_000;
/** As far as tar-stream asks. */
const MADE_AT = { getTime: () => MADE_MS } as Header["mtime"];

/** An archive as somebody else's program writes it. */
export async function* archiveOf(entries: readonly Entry[]): AsyncGenerator<Uint8Array> {
  const tar = pack();
  for (const { content = "", ...header } of entries) {
    tar.entry({ mtime: MADE_AT, ...header }, header.type === undefined ? content : "");
  }
  tar.finalize();
  yield* tar as AsyncIterable<Uint8Array>;
}

/** What somebody else's program reads in one. */
export async function entriesOf(archive: AsyncIterable<Uint8Array>): Promise<Entry[]> {
  const entries: Entry[] = [];
  const reader = extract();
  const feeding = (async () => {
    for await (const chunk of archive) {
      if (!reader.write(chunk)) await new Promise<void>((resolve) => reader.once("drain", () => resolve()));
    }
    reader.end(undefined);
  })();
  for await (const entry of reader) {
    const content: Buffer[] = [];
    for await (const chunk of entry) content.push(chunk as Buffer);
    const pax = (entry.header.pax ?? null) as Exclude<Entry["pax"], undefined>;
    entries.push({ ...entry.header, pax, content: Buffer.concat(content).toString() });
  }
  await feeding;
  return entries;
}

const PLAIN: WriteTree = { keepsKinds: false, asUser: false };
const FOLDER = 0o040000;
const LINK = 0o120000;
const FILE = 0o100000;

/** What every kind of ContainerTrees does; of containers in each of these states. */
export function treesContract(
  name: string,
  make: () => Promise<ContainersHarness>,
  states: readonly ("created" | "running" | "stopped")[],
): void {
  describe.each(states)(`${name}, the files of one that is %s`, (status) => {
    let it: ContainersHarness;
    let id: string;
    const never = new AbortController().signal;
    beforeEach(async () => {
      it = await make();
      const config = it.config('trap "exit 5" TERM; while :; do sleep 0.05; done');
      id = config.id;
      await it.containers.create(config, undefined, { deferred: true });
      if (status !== "created") await it.containers.start(id);
      if (status === "stopped") await it.containers.stop(id, { graceMs: 0 });
    });
    afterEach(() => it.end());

    const write = (path: string, entries: readonly Entry[], how: Partial<WriteTree> = {}) =>
      it.containers.trees.write(id, path, archiveOf(entries), { ...PLAIN, ...how }, never);
    const read = async (path: string): Promise<Entry[]> =>
      entriesOf((await it.containers.trees.read(id, path, never)).archive);
    const shown = async (path: string): Promise<string[]> =>
      (await read(path)).map(({ type, name, linkname, content }) =>
        [type, name, ...(linkname ? [`-> ${linkname}`] : []), ...(content ? [content] : [])].join(" "),
      );

    test("files, folders and links go in and come out as they are", async () => {
      await write("/", [
        { name: "in/", type: "directory", mode: 0o1750, uid: 5, gid: 6 },
        {
          name: "in/file",
          content: "words",
          mode: 0o4711,
          uid: 7,
          gid: 3_000_000,
          pax: { gid: "3000000" },
        },
        { name: "in/same", type: "link", linkname: "in/file" },
        { name: "in/away", type: "symlink", linkname: "/etc/passwd" },
        { name: "in/pipe", type: "fifo", mode: 0o600 },
        { name: `in/${"long".repeat(60)}`, content: "x".repeat(1_500_000) },
        { name: "made/on/the/way", content: "here" },
      ]);
      expect(await shown("/in")).toEqual([
        "directory in/",
        "symlink in/away -> /etc/passwd",
        "file in/file words",
        `file in/${"long".repeat(60)} ${"x".repeat(1_500_000)}`,
        "fifo in/pipe",
        "link in/same -> in/file",
      ]);
      const [folder, , file] = await read("/in");
      expect(folder).toMatchObject({ mode: 0o1750, uid: 5, gid: 6 });
      expect(file).toMatchObject({ mode: 0o4711, uid: 7 });
      expect([folder, file].map((entry) => Number(entry?.mtime))).toEqual([MADE_MS, MADE_MS]);
      expect(Number(file?.pax?.["gid"] ?? file?.gid)).toBe(3_000_000);
      expect(await shown("/made/on/the/way")).toEqual(["file way here"]);
      expect(await shown("/in/.")).toEqual(expect.arrayContaining(["directory ./", "file ./file words"]));
      expect(await shown("/in/away")).toEqual(["symlink away -> /etc/passwd"]);
    });

    test("a path is told of: name, size, mode, time, and where a link leads in the end", async () => {
      await write("/", [
        { name: "d/", type: "directory", mode: 0o755 },
        { name: "d/f", content: "four", mode: 0o640 },
        { name: "one", type: "symlink", linkname: "two" },
        { name: "two", type: "symlink", linkname: "../../d" },
        { name: "broken", type: "symlink", linkname: "/d/no/../where" },
      ]);
      const { trees } = it.containers;
      const mtime = 1_600_000_000_000_000_000n;
      expect(await trees.stat(id, "d/f")).toEqual({
        ...{ name: "f", size: 4, mode: FILE | 0o640, mtime, linkTarget: "" },
      });
      expect(await trees.stat(id, "/one")).toMatchObject({
        name: "one",
        mode: LINK | 0o777,
        linkTarget: "/d",
      });
      expect(await trees.stat(id, "/one/")).toMatchObject({
        name: "one",
        mode: FOLDER | 0o755,
        linkTarget: "",
      });
      expect(await trees.stat(id, "/one/../../..")).toMatchObject({ name: "..", linkTarget: "" });
      expect(await trees.stat(id, "/broken")).toMatchObject({ linkTarget: "/d/where" });
      expect(await trees.stat(id, "/")).toMatchObject({ name: "/" });
      const { stat } = await trees.read(id, "/one", never);
      expect(stat).toEqual(await trees.stat(id, "/one"));
    });

    test("what is not there is said in Docker's words", async () => {
      const { trees } = it.containers;
      const missing = (path: string) => ({
        ...{ kind: "not-found", message: `Could not find the file ${path} in container ${id}` },
      });
      await write("/", [{ name: "f", content: "f" }]);
      for (const path of ["/no/where", "/f/x", "f/"]) {
        await expect(trees.stat(id, path)).rejects.toMatchObject(missing(path));
        await expect(trees.read(id, path, never)).rejects.toMatchObject(missing(path));
      }
      await expect(write("/no", [])).rejects.toMatchObject(missing("/no"));
      await expect(write("/f", [])).rejects.toMatchObject({
        ...{ kind: "invalid", message: "extraction point is not a directory" },
      });
      const nobody = "0".repeat(64);
      const gone = { kind: "not-found", message: `No such container: ${nobody}` };
      await expect(trees.stat(nobody, "/")).rejects.toMatchObject(gone);
      await expect(trees.changes(nobody)).rejects.toMatchObject(gone);
      await expect(trees.export(nobody, never)).rejects.toMatchObject(gone);
    });

    test("a folder takes a file's place only where that is wanted, and the other way round", async () => {
      await write("/", [
        { name: "d/", type: "directory" },
        { name: "d/deep/x", content: "x" },
        { name: "f", content: "f" },
        { name: "l", type: "symlink", linkname: "d" },
      ]);
      const keeps = { keepsKinds: true };
      await expect(write("/", [{ name: "d", content: "f" }], keeps)).rejects.toMatchObject({
        ...{ kind: "invalid", message: 'cannot overwrite directory "/d" with non-directory "/"' },
      });
      await expect(write("/", [{ name: "f/", type: "directory" }], keeps)).rejects.toThrow(
        'cannot overwrite non-directory "/f/" with directory "/"',
      );
      await write("/", [{ name: "f", content: "new" }], keeps);
      expect(await shown("/f")).toEqual(["file f new"]);
      await write("/", [{ name: "l", content: "no link any more" }]);
      expect(await shown("/d/deep/x")).toEqual(["file x x"]);
      await write("/", [{ name: "d", content: "now a file" }]);
      expect(await shown("/d")).toEqual(["file d now a file"]);
    });

    test("what an archive holds stays in its folder", async () => {
      await write("/", [
        { name: "jail/", type: "directory" },
        { name: "safe", content: "safe" },
      ]);
      const refused = async (entry: Entry, message: string) =>
        expect(write("/jail", [entry])).rejects.toMatchObject({ kind: "invalid", message });
      await refused({ name: "../safe", content: "!" }, 'invalid entry name "../safe"');
      await refused({ name: "a/../../safe", content: "!" }, 'invalid entry name "a/../../safe"');
      await refused({ name: "h", type: "link", linkname: "../safe" }, 'invalid hardlink target "../safe"');
      await write("/jail", [
        { name: "up", type: "symlink", linkname: "../.." },
        { name: "up/through", content: "kept in" },
        { name: "out", type: "symlink", linkname: "/" },
        { name: "out/tmp/through", content: "kept in" },
        { name: "/absolute", content: "too" },
      ]);
      const names = (await read("/jail")).map(({ name: path }) => path).sort();
      expect(names).toEqual(
        ["", "absolute", "out", "through", "tmp/", "tmp/through", "up"].map((path) => `jail/${path}`),
      );
      expect(await shown("/safe")).toEqual(["file safe safe"]);
    });

    test("an archive may come by gzip; what is none, or ends too soon, is refused", async () => {
      const { trees } = it.containers;
      const whole = Buffer.concat(await all(archiveOf([{ name: "z", content: "z".repeat(3_000) }])));
      const send = (bytes: Uint8Array) => trees.write(id, "/", some(bytes), PLAIN, never);
      await send(gzipSync(whole));
      expect(await shown("/z")).toEqual([`file z ${"z".repeat(3_000)}`]);
      const words = { kind: "invalid", message: expect.stringContaining("cannot read the archive: ") };
      await expect(send(Buffer.alloc(2_000, "no archive"))).rejects.toMatchObject(words);
      await expect(send(whole.subarray(0, 700))).rejects.toMatchObject(words);
      await expect(send(gzipSync(whole).subarray(0, 30))).rejects.toMatchObject(words);
      await expect(send(Buffer.from("BZh91AY&SY"))).rejects.toMatchObject(words);
      await send(Buffer.alloc(0));
    });

    test("what was changed is listed, and all of it is exported", async () => {
      const { trees } = it.containers;
      await write("/", [
        { name: "new/", type: "directory" },
        { name: "new/file", content: "mine" },
      ]);
      const changes = (await trees.changes(id)).filter(({ path }) => path.startsWith("/new"));
      expect(changes).toEqual([
        { kind: "added", path: "/new" },
        { kind: "added", path: "/new/file" },
      ]);
      const exported = await entriesOf(await trees.export(id, never));
      expect(exported).toContainEqual(expect.objectContaining({ name: "new/file", content: "mine" }));
      expect(exported.map(({ name: path }) => path)).not.toContain("./");
    });

    test("events tell of it", async () => {
      const seen: string[] = [];
      const stop = it.containers.subscribe(({ action }) => seen.push(action));
      await write("/", [{ name: "f", content: "f" }]);
      await shown("/f");
      await all(await it.containers.trees.export(id, never));
      stop();
      expect(seen).toEqual(["extract-to-dir", "archive-path", "export"]);
    });
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function* some(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
