import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { busyboxFiles, type LayerFile, makeImage } from "../support/image-maker.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Images and volumes of one host by the stock CLI: pulled, loaded, tagged, removed; filled, kept, removed. */

let swarm: TestSwarm;
const folder = mkdtempSync(join(tmpdir(), "shoal-images-"));

beforeAll(async () => {
  swarm = await TestSwarm.up("images", 1);
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const docker = (...args: string[]) => swarm.docker("1", ...args);
const refusal = async (...args: string[]) => {
  const { code, stderr } = await swarm.try("1", ...args);
  return `${code} ${stderr.trim()}`;
};
const images = async () =>
  (await docker("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")).split("\n").filter(Boolean).sort();

/** A file as `docker save` writes it, with one image that runs a shell script and has a volume. */
async function archiveOf(tag: string, files: readonly LayerFile[], config: object): Promise<string> {
  const image = await makeImage([[...busyboxFiles(), ...files]], { config });
  const tar = pack();
  const layers = image.tars.map((bytes, i) => ({ name: `layer${i}.tar`, bytes }));
  const manifest = [{ Config: "config.json", RepoTags: [tag], Layers: layers.map((layer) => layer.name) }];
  for (const { name, bytes } of layers) tar.entry({ name }, Buffer.from(bytes));
  tar.entry({ name: "config.json" }, Buffer.from(image.config.bytes));
  tar.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const path = join(folder, `${tag.replace(/\W/g, "-")}.tar`);
  writeFileSync(path, Buffer.concat(chunks));
  return path;
}

test("pull shows its way, and finds what it has already", async () => {
  const first = await docker("pull", "busybox");
  expect(first).toMatch(/^Using default tag: latest\nlatest: Pulling from library\/busybox\n/);
  expect(first).toMatch(/Pull complete/);
  expect(first).toMatch(/Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for busybox:latest\n/);
  const second = await docker("pull", "busybox:latest");
  expect(second).toMatch(/Status: Image is up to date for busybox:latest/);
  expect(await images()).toEqual([expect.stringMatching(/^busybox:latest [0-9a-f]{12}$/)]);
  const [digest = ""] = (await docker("inspect", "--format", "{{index .RepoDigests 0}}", "busybox")).split(
    "\n",
  );
  expect(await docker("pull", digest)).toContain(`Digest: ${digest.split("@")[1]}`);
  expect(await refusal("pull", "no/such:1")).toMatch(
    /^1 Error response from daemon: .*(not found|denied|unknown)/,
  );
});

test("tag, several names, rmi by name", async () => {
  await docker("tag", "busybox", "mine/box:2");
  const [one = "", two = ""] = await images();
  expect([one.split(" ")[0], two.split(" ")[0]]).toEqual(["busybox:latest", "mine/box:2"]);
  expect(one.split(" ")[1]).toBe(two.split(" ")[1]);
  expect(await refusal("rmi", one.split(" ")[1] ?? "")).toMatch(
    /^1 .*conflict: unable to delete .* image is referenced in multiple repositories/,
  );
  expect(await docker("rmi", "mine/box:2")).toContain("Untagged: mine/box:2");
  expect(await refusal("rmi", "mine/box:2")).toMatch(/No such image: mine\/box:2/);
  const removed = await docker("rmi", "busybox");
  expect(removed).toMatch(/Untagged: busybox:latest/);
  expect(removed).toMatch(/Deleted: sha256:/);
  expect(await images()).toEqual([]);
});

test("an image that a container runs cannot be removed; afterwards it can", async () => {
  await swarm.service("user", "shoal/probe");
  const [task] = await swarm.containers("user");
  const reference = (await docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")).trim(); // as services pin it
  expect(await refusal("rmi", reference)).toMatch(
    new RegExp(
      `^1 .*conflict: unable to remove repository reference "${reference}" \\(must force\\) - container ${task?.id.slice(0, 12)} is using its referenced image`,
    ),
  );
  await docker("service", "rm", "user");
  await eventually(10_000, "its container is gone", async () => (await docker("ps", "-aq")) === "");
  await docker("rmi", reference);
});

test("a loaded image runs, though no registry has it; its volume is filled on first use and kept", async () => {
  const path = await archiveOf(
    "local/keeper:1",
    [
      { name: "data" },
      { name: "data/seed", content: "from the image\n", mode: 0o600 },
      { name: "data/sub" },
      { name: "data/sub/link", link: "../seed" },
    ],
    {
      Env: ["PATH=/bin"],
      Cmd: ["sh", "-c", "cat /data/seed /data/sub/link; echo written >> /data/seed; exec sleep 1000"],
      Volumes: { "/data": {} },
      StopSignal: "SIGKILL",
    },
  );
  expect(await docker("load", "-i", path)).toBe("Loaded image: local/keeper:1");
  expect(await images()).toEqual([expect.stringMatching(/^local\/keeper:1 /)]);
  const run = (name: string) =>
    swarm.service(
      name,
      "--no-resolve-image",
      "--mount",
      "type=volume,source=kept,target=/data",
      "local/keeper:1",
    );
  const said = (name: string, lines: readonly string[]) =>
    eventually(10_000, `${name} has read its volume`, async () => {
      expect((await docker("service", "logs", "--raw", name)).split("\n")).toEqual(lines);
      return true;
    });
  await run("first");
  await said("first", ["from the image", "from the image"]);
  const place = await docker("volume", "inspect", "--format", "{{.Mountpoint}}", "kept");
  expect(readFileSync(join(place, "seed"), "utf8")).toBe("from the image\nwritten\n");
  expect(await refusal("volume", "rm", "kept")).toMatch(
    /^1 Error response from daemon: remove kept: volume is in use - \[[0-9a-f]{64}\]/,
  );
  await docker("service", "rm", "first");
  await eventually(10_000, "its container is gone", async () => (await docker("ps", "-aq")) === "");
  expect(await docker("volume", "ls", "-q")).toContain("kept");
  await run("second");
  await said("second", ["from the image", "written", "from the image", "written"]);
  await docker("service", "rm", "second");
  await eventually(10_000, "its container is gone", async () => (await docker("ps", "-aq")) === "");
  expect(await docker("volume", "rm", "kept")).toBe("kept");
  expect(() => readdirSync(place)).toThrow(/ENOENT/);
});

test("a volume that the image wants and nobody names is made for the container, and goes with it", async () => {
  await swarm.service("nameless", "--no-resolve-image", "local/keeper:1");
  await eventually(10_000, "it has read its volume", async () =>
    (await docker("service", "logs", "--raw", "nameless")).startsWith("from the image"),
  );
  const volumes = (await docker("volume", "ls", "-q")).split("\n").filter(Boolean);
  expect(volumes).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  await docker("service", "rm", "nameless");
  await eventually(
    10_000,
    "volume and container are gone",
    async () => (await docker("volume", "ls", "-q")) === "" && (await docker("ps", "-aq")) === "",
  );
});

test("volumes by hand: create, labels, filters, inspect, names that are taken or wrong", async () => {
  expect(await docker("volume", "create", "--label", "of=test", "handmade")).toBe("handmade");
  expect(await docker("volume", "create", "handmade")).toBe("handmade");
  expect(await docker("volume", "ls", "-q", "--filter", "label=of=test")).toBe("handmade");
  expect(
    await docker("volume", "inspect", "--format", "{{.Driver}} {{.Scope}} {{.Labels.of}}", "handmade"),
  ).toBe("local local test");
  expect(await refusal("volume", "create", "no/slash")).toMatch(
    /includes invalid characters for a local volume name/,
  );
  expect(await refusal("volume", "inspect", "nobody")).toMatch(/no such volume/i);
  await docker("volume", "rm", "handmade");
});

test("a broken archive is refused and leaves nothing", async () => {
  const before = await images();
  const good = readFileSync(join(folder, "local-keeper-1.tar"));
  const path = join(folder, "torn.tar");
  writeFileSync(path, good.subarray(0, good.length / 2));
  expect(await refusal("load", "-i", path)).toMatch(/^1 .+/);
  writeFileSync(path, "this is no tar");
  expect(await refusal("load", "-i", path)).toMatch(/^1 .+/);
  expect(await images()).toEqual(before);
});
