import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { FakeRegistry } from "../../src/registry/registry.fake.ts";
import type { ImageProgress } from "../../src/runtime/image-progress.ts";
import { imagesContract } from "../../src/runtime/images.contract.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import {
  busyboxFiles,
  type LayerFile,
  type MadeImage,
  makeImage,
  makeIndex,
  pushImage,
  sha256,
  tarOf,
} from "../support/image-maker.ts";
import { openImages, type TestImages } from "../support/test-images.ts";

const unused = { usersOf: async () => [] };

let containerd: TestContainerd;
let registry: TestRegistry;
let namespace = "";
let count = 0;
let open: TestImages[] = [];
let scratch = "";
let views = 0;

/** A fresh store on the test's namespace: what a shoald has after a restart. */
function store(): TestImages["images"] {
  const opened = openImages(containerd, namespace);
  open.push(opened);
  return opened.images;
}

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));
beforeEach(() => {
  namespace = `test${count++}`;
  scratch = mkdtempSync(join(tmpdir(), "shoal-images-"));
});
afterEach(async () => {
  await Promise.all(open.map((opened) => opened.close()));
  open = [];
  rmSync(scratch, { recursive: true, force: true });
});

imagesContract("ContainerdImages", async () => {
  const own = await startDockerRegistry();
  return {
    images: store(),
    app: `${own.host}/app`,
    path: "app",
    async publish(text, content) {
      const image = await makeImage([[{ name: "a", content }]]);
      await pushImage(own.url, "app", text.split(":").at(-1) ?? "", [image]);
      return image.manifest.digest;
    },
    goOffline: () => own.stop(),
    end: () => own.stop(),
  };
});

const ctr = (...args: string[]): string =>
  execFileSync("ctr", ["--address", containerd.socket, "--namespace", namespace, ...args], {
    encoding: "utf8",
  });

/** Digests in the content store and names of snapshots, by containerd's own tool. */
const contentHere = (): string[] => ctr("content", "ls", "-q").split("\n").filter(Boolean);
const snapshotsHere = (): string[] => ctr("snapshots", "ls").split("\n").slice(1).filter(Boolean);

/** A file of an image as a container would see it, through a mount of its top snapshot by containerd's own tool. */
function readIn(topChainId: string, paths: readonly string[]): (string | undefined)[] {
  const dir = mkdtempSync(join(scratch, "mount-"));
  const line = ctr("snapshots", "view", "--target", dir, `look${views++}`, topChainId);
  const [program = "", ...args] = line.trim().split(/\s+/);
  execFileSync(program, args);
  try {
    return paths.map((path) => {
      try {
        return readFileSync(join(dir, path), "utf8");
      } catch {
        return undefined;
      }
    });
  } finally {
    // The view itself is nobody's, so containerd may collect it; the mount does not mind.
    execFileSync("umount", [dir]);
  }
}

async function publish(name: string, image: MadeImage): Promise<string> {
  await pushImage(registry.url, name, "1", [image]);
  return `${registry.host}/${name}:1`;
}

test("an image of several layers is unpacked with its whiteouts, out of an index with other platforms", async () => {
  const image = await makeImage([
    [{ name: "etc" }, { name: "etc/gone", content: "x" }, { name: "etc/motd", content: "old" }],
    [
      { name: "etc/.wh.gone", content: "" },
      { name: "etc/motd", content: "new" },
    ],
    [{ name: "etc/more", content: "more" }],
  ]);
  const other = await makeImage([[{ name: "a", content: "other" }]], { architecture: "s390x" });
  const index = makeIndex([other, image]);
  await pushImage(registry.url, "layers", "1", [image, other], index);
  const images = store();
  const { digest } = await images.pull(`${registry.host}/layers:1`);
  expect(digest).toBe(index.digest);
  const local = await images.inspect(`${registry.host}/layers@${digest}`);
  expect(local.id).toBe(image.config.digest);
  expect(local.createdAt).toBe(Date.parse("2026-01-02T03:04:05Z"));
  expect(readIn(local.topChainId, ["etc/motd", "etc/more", "etc/gone"])).toEqual(["new", "more", undefined]);
});

test("Docker's own manifest types are read as OCI's are", async () => {
  const image = await makeImage([[{ name: "a", content: "docker" }]], { docker: true });
  await pushImage(registry.url, "schema2", "1", [image], makeIndex([image], true));
  const images = store();
  await images.pull(`${registry.host}/schema2:1`);
  expect(readIn((await images.resolve(`${registry.host}/schema2:1`)).topChainId, ["a"])).toEqual(["docker"]);
});

test("an image for other platforms only is refused, and leaves no name", async () => {
  const other = await makeImage([[{ name: "a", content: "other" }]], { architecture: "s390x" });
  await pushImage(registry.url, "foreign", "1", [other], makeIndex([other]));
  const images = store();
  await expect(images.pull(`${registry.host}/foreign:1`)).rejects.toThrow("no matching manifest for linux/");
  expect(await images.list()).toEqual([]);
  const platform = { os: "linux", architecture: "s390x" };
  await images.pull(`${registry.host}/foreign:1`, { platform });
  expect((await images.inspect(`${registry.host}/foreign:1`)).platform).toEqual(platform);
});

test("layers that are here are not pulled again", async () => {
  const base: LayerFile[] = [{ name: "base", content: "base" }];
  const images = store();
  await images.pull(await publish("one", await makeImage([base, [{ name: "one", content: "1" }]])));
  const told: ImageProgress[] = [];
  const second = await publish("two", await makeImage([base, [{ name: "two", content: "2" }]]));
  await images.pull(second, { onProgress: (event) => told.push(event) });
  const layers = told.filter(({ id }) => id?.length === 12);
  expect(layers.map(({ status }) => status)).toEqual([
    "Already exists",
    "Pulling fs layer",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
  ]);
  expect(readIn((await images.resolve(second)).topChainId, ["base", "one", "two"])).toEqual([
    "base",
    undefined,
    "2",
  ]);
});

test("what a pull made stays through containerd's garbage collection, and goes with its last name", async () => {
  const image = await makeImage([[{ name: "a", content: "a" }], [{ name: "b", content: "b" }]]);
  const ref = await publish("collected", image);
  const images = store();
  await images.pull(ref);
  await images.pull(await publish("passing", await makeImage([[{ name: "c", content: "c" }]])));
  // A removal makes containerd collect what nothing holds.
  await images.remove(`${registry.host}/passing:1`, unused);
  const wanted = [image.config, image.manifest, ...image.layers].map(({ digest }) => digest);
  expect(new Set(contentHere())).toEqual(new Set(wanted));
  expect(snapshotsHere()).toHaveLength(2);
  const removed = await images.remove(ref, unused);
  expect(removed.filter((line) => "deleted" in line)).toHaveLength(3);
  expect(contentHere()).toEqual([]);
  expect(snapshotsHere()).toEqual([]);
  expect(ctr("leases", "ls", "-q").trim()).toBe("");
});

/** A registry whose faults the test plants, with an image of one layer that does not compress. */
async function faultyRegistry(bytes: number) {
  const fake = new FakeRegistry();
  await fake.listen();
  const layer = await tarOf([{ name: "noise", content: randomBytes(bytes) }]);
  const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
  fake.addImage("app", platform, layer, "1");
  return { fake, layer, ref: `${fake.host}/app:1` };
}

test("pulls of one image at a time share one download", async () => {
  const { fake, ref } = await faultyRegistry(100_000);
  const images = store();
  const told: ImageProgress[][] = [[], [], []];
  const pulls = told.map((list) => images.pull(ref, { onProgress: (event) => list.push(event) }));
  expect(new Set(await Promise.all(pulls)).size).toBe(1);
  expect(fake.seen.filter(({ url }) => url.includes("/manifests/"))).toHaveLength(1);
  for (const list of told) expect(list.at(-1)?.status).toContain("Downloaded newer image");
  await fake.close();
});

test("who gives up a shared pull does not end it for the others; when all do, it ends", async () => {
  const { fake, ref } = await faultyRegistry(100_000);
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let asked = (): void => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  fake.fault = (request, response) => {
    if (!request.url?.includes("/blobs/")) return false;
    asked();
    fake.fault = () => false;
    void held.then(() => response.destroy());
    return true;
  };
  const images = store();
  const gone = new AbortController();
  const first = images.pull(ref, { signal: gone.signal });
  const second = images.pull(ref);
  await isAsked;
  gone.abort(new Error("gave up"));
  await expect(first).rejects.toThrow("gave up");
  letGo();
  expect((await second).isNew).toBe(true);
  await fake.close();
});

test("after a crash in the middle of a layer the next pull goes on where it ended", async () => {
  const { fake, layer, ref } = await faultyRegistry(8 << 20);
  const half = layer.length / 2;
  const digest = sha256(layer);
  let sent = (): void => {};
  const isSent = new Promise<void>((resolve) => {
    sent = resolve;
  });
  fake.fault = (request, response) => {
    // The layer stops half-way and hangs; all else is whole.
    if (!request.url?.endsWith(digest)) return false;
    fake.fault = () => false;
    response.writeHead(200, { "content-length": layer.length });
    response.write(layer.subarray(0, half), () => sent());
    return true;
  };
  const crashed = openImages(containerd, namespace);
  const pull = crashed.images.pull(ref);
  pull.catch(() => {});
  await isSent;
  // The first megabytes are in containerd.
  await expect
    .poll(() => ctr("content", "active"), { timeout: 10_000 })
    .toMatch(/layer-\S+\s+[1-9][\d.]* ?Mi?B/);
  await containerd.restart();
  await expect(pull, "it is told at once, though the registry is silent").rejects.toMatchObject({
    kind: "unavailable",
  });
  await crashed.close();
  const images = store();
  await images.pull(ref);
  const ranges = fake.seen.flatMap(({ range }) => range ?? []);
  expect(ranges).toHaveLength(1);
  expect(Number(/\d+/.exec(ranges[0] ?? "0")?.[0])).toBeGreaterThan(1 << 20);
  expect((await images.inspect(ref)).sizeBytes).toBeGreaterThan(8 << 20);
  await fake.close();
});

test("an unfinished write with wrong bytes in it is thrown away and made anew", async () => {
  const { fake, layer, ref } = await faultyRegistry(1 << 20);
  const digest = sha256(layer);
  const wrong = join(scratch, "wrong");
  execFileSync("dd", ["if=/dev/zero", `of=${wrong}`, "bs=1000", "count=100"], { stdio: "ignore" });
  // containerd's own tool begins a write under our name for it, with zeros, and cannot finish it.
  try {
    execFileSync(
      "ctr",
      [
        "--address",
        containerd.socket,
        "--namespace",
        namespace,
        "content",
        "ingest",
        `layer-${digest}`,
        "--expected-digest",
        digest,
        "--expected-size",
        String(layer.length),
      ],
      { input: readFileSync(wrong), stdio: ["pipe", "ignore", "ignore"] },
    );
  } catch {
    // It says that the size is wrong.
  }
  expect(ctr("content", "active")).toContain("layer-");
  const images = store();
  await images.pull(ref);
  expect((await images.list()).length).toBe(1);
  await fake.close();
});

// --- load

interface Archive {
  readonly image: MadeImage;
  readonly files: LayerFile[];
}

/** As `docker save` has written since its beginning: a directory for each layer, uncompressed. */
async function dockerArchive(tags: readonly string[], content = "loaded"): Promise<Archive> {
  const image = await makeImage([[{ name: "a", content }], [{ name: "b", content: "b" }]]);
  const [first, second] = image.tars;
  const files: LayerFile[] = [
    { name: "one/layer.tar", content: first ?? "" },
    { name: "two/layer.tar", content: second ?? "" },
    { name: "config.json", content: image.config.bytes },
    {
      name: "manifest.json",
      content: JSON.stringify([
        { Config: "config.json", RepoTags: tags, Layers: ["one/layer.tar", "two/layer.tar"] },
      ]),
    },
  ];
  return { image, files };
}

async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

test.each(["plain", "gzipped"])("a docker save archive, %s, is loaded under its names", async (kind) => {
  const { image, files } = await dockerArchive(["loaded:1", "host.example/also:2"], kind);
  const tar = await tarOf(files);
  const images = store();
  const loaded = await images.load(chunked(kind === "plain" ? tar : gzipSync(tar)));
  expect(loaded).toEqual([{ id: image.config.digest, names: ["loaded:1", "host.example/also:2"] }]);
  const local = await images.inspect("loaded:1");
  expect(local).toMatchObject({ repoTags: ["host.example/also:2", "loaded:1"], repoDigests: [] });
  expect(readIn(local.topChainId, ["a", "b"])).toEqual([kind, "b"]);
});

test("loading again is no harm, and an image without a name is known by its id", async () => {
  const { image, files } = await dockerArchive([]);
  const tar = await tarOf(files);
  const images = store();
  for (let i = 0; i < 2; i++) {
    expect(await images.load(chunked(tar))).toEqual([{ id: image.config.digest, names: [] }]);
  }
  expect(await images.list()).toHaveLength(1);
  await images.tag(image.config.digest, "named:1");
  expect((await images.inspect(image.config.digest)).repoTags).toEqual(["named:1"]);
  await images.remove("named:1", unused);
  expect(contentHere()).toEqual([]);
});

test("an OCI layout with an index inside is loaded for this platform", async () => {
  const image = await makeImage([[{ name: "a", content: "oci" }]]);
  const index = makeIndex([
    await makeImage([[{ name: "x", content: "x" }]], { architecture: "s390x" }),
    image,
  ]);
  const path = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
  const entry = {
    mediaType: index.mediaType,
    digest: index.digest,
    size: index.size,
    annotations: { "io.containerd.image.name": "docker.io/library/layout:1" },
  };
  const files: LayerFile[] = [
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) },
    ...[index, image.manifest, image.config, ...image.layers].map((blob) => ({
      name: path(blob.digest),
      content: blob.bytes,
    })),
  ];
  const images = store();
  expect(await images.load(chunked(await tarOf(files)))).toEqual([
    { id: image.config.digest, names: ["layout:1"] },
  ]);
  const local = await images.inspect("layout:1");
  expect(local.target).toBe(index.digest);
  expect(readIn(local.topChainId, ["a"])).toEqual(["oci"]);
});

test("archives that skopeo made are loaded", async () => {
  const ref = await publish("skopeo", await makeImage([busyboxFiles(), [{ name: "a", content: "skopeo" }]]));
  const images = store();
  for (const [kind, name] of [
    ["docker-archive", "from-docker:1"],
    ["oci-archive", "from-oci:1"],
  ] as const) {
    const file = join(scratch, kind);
    execFileSync("skopeo", [
      "copy",
      "--insecure-policy",
      "--src-tls-verify=false",
      `docker://${ref}`,
      `${kind}:${file}:${name}`,
    ]);
    expect((await images.load(Readable.from([readFileSync(file)]))).map(({ names }) => names)).toEqual([
      [name],
    ]);
    expect(readIn((await images.resolve(name)).topChainId, ["a"])).toEqual(["skopeo"]);
  }
});

test("garbage, a torn archive and a lying one are refused, and nothing stays", async () => {
  const { files } = await dockerArchive(["torn:1"], "x".repeat(3 << 20));
  const tar = await tarOf(files);
  const [, ...withoutLayer] = files;
  const swapped = files.map((file) =>
    file.name === "two/layer.tar" ? { ...file, content: files[0]?.content ?? "" } : file,
  );
  const images = store();
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from("this is no archive at all".repeat(100)), /cannot load image: /],
    [new Uint8Array(), /neither manifest.json nor index.json/],
    [tar.subarray(0, tar.length / 2), /cannot load image: /],
    [gzipSync(tar).subarray(0, 300), /cannot load image: /],
    [await tarOf(withoutLayer), /the layer one\/layer.tar is missing/],
    [await tarOf(swapped), /wrong diff id/],
    [await tarOf([{ name: "manifest.json", content: "[{}]" }]), /the config .* is missing/],
    [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0, 0]), /xz archives are not read/],
  ];
  for (const [bytes, reason] of cases) {
    await expect(images.load(chunked(bytes))).rejects.toThrow(reason);
  }
  expect(ctr("content", "active").trim().split("\n")).toHaveLength(1);
  expect(await images.list()).toEqual([]);
  expect(contentHere()).toEqual([]);
  expect(snapshotsHere()).toEqual([]);
});

test("a push brings what the registry lacks, by whatever name, and only that", async () => {
  const images = store();
  const image = await makeImage([[{ name: "base", content: "b" }], [{ name: "top", content: "t" }]]);
  await images.pull(await publish("from", image));
  const target = await startDockerRegistry();
  try {
    await pushImage(target.url, "to", "old", [await makeImage([[{ name: "base", content: "b" }]])]);
    await images.tag(`${registry.host}/from:1`, `${target.host}/to:new`);
    const told: ImageProgress[] = [];
    await images.push(`${target.host}/to:new`, { onProgress: (event) => told.push(event) });
    const lastOf = (layer: number) =>
      told.filter(({ id }) => id === image.layers[layer]?.digest.slice(7, 19)).at(-1)?.status;
    expect([lastOf(0), lastOf(1)]).toEqual(["Layer already exists", "Pushed"]);
    namespace = `${namespace}-other`;
    const others = store();
    expect(await others.pull(`${target.host}/to:new`)).toEqual({
      digest: image.manifest.digest,
      isNew: true,
    });
    const { topChainId } = await others.resolve(`${target.host}/to:new`);
    expect(readIn(topChainId, ["base", "top"])).toEqual(["b", "t"]);
  } finally {
    await target.stop();
  }
});

test("a saved archive has every image once, and can be loaded elsewhere, here and by skopeo", async () => {
  const images = store();
  const one = await publish("save-one", await makeImage([[{ name: "a", content: "shared" }]]));
  const two = await publish(
    "save-two",
    await makeImage([[{ name: "a", content: "shared" }], [{ name: "b", content: "2" }]]),
  );
  for (const ref of [one, two]) await images.pull(ref);
  await images.tag(one, "mine:x");
  const ids = await Promise.all([one, two].map(async (ref) => (await images.inspect(ref)).id));
  const archive = join(scratch, "images.tar");
  await writeFile(archive, await images.save([one, "mine:x", `${registry.host}/save-two`]));
  expect(execFileSync("tar", ["tf", archive], { encoding: "utf8" }).match(/blobs\/sha256/g)).toHaveLength(6);
  const seen = execFileSync("skopeo", ["inspect", "--raw", `docker-archive:${archive}:mine:x`], {
    encoding: "utf8",
  });
  expect(JSON.parse(seen)).toMatchObject({ config: { digest: ids[0] } });
  namespace = `${namespace}-other`;
  const others = store();
  const loaded = await others.load(createReadStream(archive));
  expect(loaded.map(({ id, names }) => [id, [...names].sort()])).toEqual([
    [ids[0], [one, "mine:x"].sort()],
    [ids[1], [two]],
  ]);
  await expect(images.save(["nope:1"])).rejects.toThrow("No such image: nope:1");
});
