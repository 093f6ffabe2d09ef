import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../lib/index.ts";
import { aContainerInfo, anImage } from "../backends.fake.ts";
import { ServedNode } from "../served-node.fake.ts";

const DAY_MS = 86_400_000;
const idOf = (digit: string) => `sha256:${digit.repeat(64)}`;
const filters = (value: object) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

let clock: FakeClock;
let node: ServedNode;

beforeEach(async () => {
  clock = new FakeClock();
  node = await ServedNode.start(clock);
});
afterEach(() => node[Symbol.asyncDispose]());

async function prune(what: string, wanted: object = {}, version = ""): Promise<unknown> {
  const { text } = await node.ask("POST", `${version}/${what}/prune?${filters(wanted)}`);
  return JSON.parse(text);
}

const imagesLeft = async () =>
  ((await node.get("/images/json")) as { Id: string }[]).map(({ Id }) => Id[7]).sort();

/** 1 runs, 2 is tagged, 3 has lost its tag and 4 too, long ago. */
function putImages(): void {
  const { images, containers } = node.backends;
  containers.put(aContainerInfo({ id: "ab".repeat(32), name: "web", imageId: idOf("1") }));
  images.put(anImage({ id: idOf("1"), repoTags: [] }));
  images.put(anImage({ id: idOf("2"), repoTags: ["a:1", "b:1"] }));
  images.put(anImage({ id: idOf("3"), repoTags: [], createdAt: clock.now(), labels: { keep: "yes" } }));
  images.put(anImage({ id: idOf("4"), repoTags: [], createdAt: clock.now() - 3 * DAY_MS }));
}

test.each([
  [{}, "12"],
  [{ dangling: ["true"] }, "12"],
  [{ dangling: ["false"] }, "1"],
  [{ until: ["24h"] }, "123"],
  [{ label: ["keep"] }, "124"],
  [{ dangling: ["false"], "label!": ["keep"] }, "13"],
])("images pruned by %j leave %s", async (wanted, left) => {
  putImages();
  await prune("images", wanted);
  expect((await imagesLeft()).join("")).toBe(left);
});

test("images pruned are told row by row, and nothing as null", async () => {
  putImages();
  expect(await prune("images", { dangling: ["0"], label: ["none"] })).toEqual({
    ImagesDeleted: null,
    SpaceReclaimed: 0,
  });
  expect(await prune("images", { dangling: ["0"], "label!": ["keep"], until: ["48h"] })).toEqual({
    ImagesDeleted: [{ Untagged: "a:1" }, { Untagged: "b:1" }, { Deleted: idOf("2") }, { Deleted: idOf("4") }],
    SpaceReclaimed: 0,
  });
  expect((await node.ask("POST", `/images/prune?${filters({ dangling: ["maybe"] })}`)).status).toBe(400);
});

test("volumes pruned: those without a name; all when asked, or by a client from before one could ask", async () => {
  const make = (Name: string) => node.ask("POST", "/volumes/create", { body: { Name } });
  const left = async () =>
    ((await node.get("/volumes")) as { Volumes: { Name: string }[] }).Volumes.map(({ Name }) => Name);
  const mount = { type: "volume", name: "used", source: "/v", target: "/d", readOnly: false } as const;
  node.backends.containers.put(aContainerInfo({ id: "ab".repeat(32), name: "web", mounts: [mount] }));
  for (const name of ["used", "named", ""]) await make(name);
  node.backends.volumes.bytes.set("a".repeat(64), 5_000);
  expect(await prune("volumes")).toEqual({ VolumesDeleted: ["a".repeat(64)], SpaceReclaimed: 5_000 });
  expect(await left()).toEqual(["used", "named"]);
  expect(await prune("volumes")).toEqual({ VolumesDeleted: null, SpaceReclaimed: 0 });
  expect(await prune("volumes", {}, "/v1.41")).toMatchObject({ VolumesDeleted: ["named"] });
  await make("named");
  expect(await prune("volumes", { all: ["1"] })).toMatchObject({ VolumesDeleted: ["named"] });
  expect(await left()).toEqual(["used"]);
});

test("disk use: what is shared is counted once, and each thing says how many have it", async () => {
  const [base, top] = [idOf("a"), idOf("b")];
  const { images, containers, volumes } = node.backends;
  images.put(anImage({ id: idOf("1"), layers: [base], layerBytes: [100], sizeBytes: 100 }));
  images.put(anImage({ id: idOf("2"), layers: [base, top], layerBytes: [100, 20], sizeBytes: 120 }));
  await node.ask("POST", "/volumes/create", { body: { Name: "db" } });
  const mount = { type: "volume", name: "db", source: "/v", target: "/d", readOnly: false } as const;
  const id = "ab".repeat(32);
  containers.put(aContainerInfo({ id, name: "web", imageId: idOf("2"), mounts: [mount] }));
  containers.written.set(id, 7);
  volumes.bytes.set("db", 5);
  expect(await node.get("/system/df")).toMatchObject({
    LayersSize: 120,
    Images: [
      { Size: 100, SharedSize: 100, Containers: 0 },
      { Size: 120, SharedSize: 100, Containers: 1 },
    ],
    Containers: [{ Id: id, SizeRw: 7, SizeRootFs: 127 }],
    Volumes: [{ Name: "db", UsageData: { Size: 5, RefCount: 1 } }],
  });
  expect(Object.keys((await node.get("/system/df?type=volume")) as object)).toEqual(["Volumes"]);
  expect((await node.ask("GET", "/system/df?type=cat")).status).toBe(400);
});

test("a push is told line by line and ends with what the tag points to; a refusal is the last line", async () => {
  const lines = async (name: string) => {
    const { text } = await node.ask("POST", `/images/${name}/push?tag=1`, {
      headers: { "x-registry-auth": "e30" },
    });
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  node.backends.images.put(anImage({ repoTags: ["reg.test/a/b:1", "other/b:1"] }));
  expect(await lines("reg.test/a/b")).toEqual([
    { id: "5f70bf18a086", status: "Preparing", progressDetail: {} },
    { progressDetail: {}, aux: { Tag: "1", Digest: anImage().target, Size: 1234 } },
  ]);
  expect(node.backends.images.lastAuth).toBe("e30");
  expect((await lines("other/b")).at(-1)).toMatchObject({
    error: "denied: requested access to the resource is denied",
  });
  expect((await node.ask("POST", "/images/nope/push?tag=1")).status).toBe(404);
});

test("images are saved by one name or several; credentials are tried, and never repeated in a refusal", async () => {
  node.backends.images.put(anImage({ repoTags: ["a:1", "b/c:2"] }));
  expect((await node.ask("GET", "/images/get?names=a:1&names=b/c:2")).text).toBe("a:1\nb/c:2\n");
  const one = await node.ask("GET", "/images/b/c:2/get");
  expect([one.headers["content-type"], one.text]).toEqual(["application/x-tar", "b/c:2\n"]);
  expect((await node.ask("GET", "/images/get?names=nope")).status).toBe(404);
  const login = (password: string) =>
    node.ask("POST", "/auth", { body: { username: "user", password, serveraddress: "reg.test" } });
  expect(JSON.parse((await login("word")).text)).toEqual({ Status: "Login Succeeded", IdentityToken: "" });
  const refused = await login("hunter2");
  expect([refused.status, refused.text.includes("hunter2")]).toEqual([401, false]);
  const odd = await node.ask("POST", "/auth", { body: { password: { hunter2: 1 } } });
  expect([odd.status, odd.text.includes("hunter2")]).toEqual([400, false]);
});
