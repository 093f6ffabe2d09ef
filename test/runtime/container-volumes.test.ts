import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import type { ContainerConfig, VolumeMount } from "../../src/runtime/container.ts";
import { mountPoints } from "../../src/runtime/mount-points.ts";
import { SystemMounter } from "../../src/runtime/volume-mounter.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { systemClock, systemRandom } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { openNode, type TestNode } from "../support/test-containers.ts";

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image = "";

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));
beforeEach(async () => {
  node = await openNode(containerd, registry, (dir) =>
    LocalVolumes.open({
      ...{ dir, clock: systemClock, random: systemRandom, log: silentLog },
      mounter: new SystemMounter("/dev/shm", systemClock),
    }),
  );
  const layers = [
    busyboxFiles(),
    [
      { name: "data", mode: 0o750 },
      { name: "data/a", content: "base", mode: 0o640 },
      { name: "data/gone", content: "x" },
    ],
    [
      { name: "data/.wh.gone", content: "" },
      { name: "data/b", link: "a" },
      { name: "way", link: "/data" },
    ],
  ];
  image = await node.put(
    "box",
    await makeImage(layers, { config: { Env: ["PATH=/bin"], Volumes: { "/data": {} } } }),
  );
});
afterEach(() => node.end());

const volume = (source: string, target: string, more: Partial<VolumeMount> = {}): VolumeMount => ({
  ...{
    type: "volume",
    source,
    target,
    readOnly: false,
    noCopy: false,
    labels: {},
    driver: "",
    driverOptions: {},
  },
  ...more,
});

/** Runs a container to its end and leaves it; its id and output. */
async function ran(
  script: string,
  more: Partial<ContainerConfig> = {},
): Promise<{ id: string; out: string }> {
  const containers = node.containers();
  const config = node.config(image, script, more);
  await containers.create(config);
  await containers.start(config.id);
  await containers.wait(config.id, AbortSignal.timeout(20_000));
  let out = "";
  for await (const { line } of containers.logs(
    config.id,
    { follow: false, stdout: true, stderr: true },
    new AbortController().signal,
  )) {
    out += Buffer.from(line).toString();
  }
  return { id: config.id, out: out.trim() };
}

test("a volume that the image wants is made, filled, and goes with its container", async () => {
  const { id, out } = await ran("ls /data; cat /data/b; echo more >/data/new");
  expect(out).toBe("a\nb\nbase");
  const [made] = await node.volumes.list();
  expect(made).toMatchObject({ anonymous: true });
  expect(readFileSync(`${made!.path}/new`, "utf8")).toBe("more\n");
  expect(execFileSync("stat", ["-c", "%a", made!.path, `${made!.path}/a`], { encoding: "utf8" })).toBe(
    "750\n640\n",
  );
  expect((await node.containers().get(id))?.mounts).toEqual([
    { type: "volume", name: made!.name, source: made!.path, target: "/data", readOnly: false },
  ]);
  await node.reopen();
  await node.containers().remove(id);
  expect(await node.volumes.list()).toEqual([]);
  expect(existsSync(made!.path)).toBe(false);
});

test("a named volume keeps what is in it, for the next container", async () => {
  const mounts = [volume("shared", "/data", { labels: { a: "b" } })];
  const first = await ran("echo changed >/data/a", { mounts });
  const second = await ran("cat /data/b; touch /data/x", { mounts: [{ ...mounts[0]!, readOnly: true }] });
  expect(new Set(second.out.split("\n"))).toEqual(
    new Set(["changed", "touch: /data/x: Read-only file system"]),
  );
  for (const { id } of [first, second]) await node.containers().remove(id);
  expect(await node.volumes.list()).toMatchObject([{ name: "shared", labels: { a: "b" }, anonymous: false }]);
});

test("nothing is copied when nobody wants it, where the image has nothing, or over what is there", async () => {
  const { out } = await ran("ls /data; ls /empty; ls /full; ls /linked", {
    mounts: [
      volume("none", "/data", { noCopy: true }),
      volume("empty", "/empty"),
      volume("linked", "/way/../linked"),
      volume("full", "/full"),
    ],
  });
  expect(out).toBe("");
  const { path } = (await node.volumes.get("none"))!;
  writeFileSync(`${path}/mine`, "");
  expect((await ran("ls /data", { mounts: [volume("none", "/data")] })).out).toBe("mine");
});

test("a link in the image leads to where it leads inside", async () => {
  expect((await ran("ls /way", { mounts: [volume("way", "/way")] })).out).toBe("a\nb");
});

test("a create that fails takes its own volumes back, and no others", async () => {
  await expect(ran("exit 0", { mounts: [volume("kept", "/k")], user: "nobody-here" })).rejects.toThrow(
    "unable to find user",
  );
  expect((await node.volumes.list()).map(({ name }) => name)).toEqual(["kept"]);
  expect(node.leftovers()).toEqual([]);
});

const TMPFS = { type: "tmpfs", device: "tmpfs", o: "size=1m,mode=0711" };
const LIVES = "while :; do sleep 0.05; done";

/** Whether something is mounted in the volume's place. */
async function isMounted(name: string): Promise<boolean> {
  const { path = "" } = (await node.volumes.get(name)) ?? {};
  return (await mountPoints()).includes(path);
}

async function started(script: string, more: Partial<ContainerConfig> = {}): Promise<string> {
  const config = node.config(image, script, more);
  await node.containers().create(config);
  await node.containers().start(config.id);
  return config.id;
}

const end = (id: string) => node.containers().stop(id, { graceMs: 0 });

test("what a volume's options say is mounted for the first that uses it, until the last has ended", async () => {
  const mounts = [volume("disk", "/disk", { driverOptions: TMPFS })];
  const first = await started(`echo mine >/disk/file; ${LIVES}`, { mounts });
  const second = await started(LIVES, { mounts });
  expect(await isMounted("disk")).toBe(true);
  const { path } = (await node.volumes.get("disk"))!;
  expect(readFileSync(`${path}/file`, "utf8")).toBe("mine\n");
  expect(execFileSync("stat", ["-f", "-c", "%T %b", path], { encoding: "utf8" })).toBe("tmpfs 256\n");
  await end(first);
  expect(await isMounted("disk")).toBe(true);
  // Another daemon sees who uses it.
  await node.reopen();
  expect(await isMounted("disk")).toBe(true);
  await end(second);
  expect(await isMounted("disk")).toBe(false);
  // And mounts it again: a new tmpfs.
  await node.containers().start(second);
  expect(await isMounted("disk")).toBe(true);
  expect(existsSync(`${path}/file`)).toBe(false);
});

test("a volume that nobody uses any more is unmounted by the next daemon", async () => {
  const { name } = await node.volumes.create({ name: "left", labels: {}, driver: "", options: TMPFS });
  await node.volumes.hold(name, "a-container-that-is-gone");
  expect(await isMounted("left")).toBe(true);
  await node.reopen();
  expect(await isMounted("left")).toBe(false);
});

test("what is mounted is filled from the image, and what cannot be mounted says why", async () => {
  const bound = `${node.dir}/bound`;
  execFileSync("mkdir", [bound]);
  const options = { type: "none", o: "bind", device: bound };
  expect(
    (await ran("cat /data/a", { mounts: [volume("bound", "/data", { driverOptions: options })] })).out,
  ).toBe("base");
  expect(readFileSync(`${bound}/a`, "utf8")).toBe("base");
  expect(await isMounted("bound")).toBe(false);
  const nowhere = { ...options, device: `${node.dir}/nowhere` };
  const mounts = [volume("nowhere", "/n", { driverOptions: nowhere })];
  await expect(ran("exit 0", { mounts })).rejects.toThrow(
    /^error while mounting volume '.*\/nowhere\/_data': failed to mount local volume: mount .*\/nowhere:.*, data: bind: special device .*\/nowhere does not exist$/,
  );
});

test("a part of a volume is mounted, and nothing of the rest", async () => {
  const { path } = await node.volumes.create({ name: "parts", labels: {}, driver: "", options: {} });
  execFileSync("mkdir", ["-p", `${path}/a/b`]);
  writeFileSync(`${path}/a/b/in`, "inside");
  writeFileSync(`${path}/one`, "a file");
  execFileSync("ln", ["-s", "/etc", `${path}/out`]);
  const part = (subpath: string, target = "/part") => [volume("parts", target, { subpath })];
  const { out } = await ran("ls -a /part; cat /part/../file; echo new >/part/new", {
    mounts: [...part("a/b"), ...part("one", "/file")],
  });
  expect(out).toBe(".\n..\nin\na file");
  expect(readFileSync(`${path}/a/b/new`, "utf8")).toBe("new\n");
  const refused = (subpath: string) => expect(ran("exit 0", { mounts: part(subpath) })).rejects;
  await refused("a/nope").toThrow(`cannot access path ${path}/a/nope: no such file or directory`);
  await refused("out").toThrow("path concatenation escapes the base directory");
  await refused("../x").toThrow("subpath must be a relative path within the volume");
  await expect(ran("exit 0", { mounts: [volume("", "/p", { subpath: "a" })] })).rejects.toThrow(
    "must not set Subpath when using anonymous volumes",
  );
});

test("a container that has a part of a volume starts again, with what is there then", async () => {
  const { path } = await node.volumes.create({ name: "parts", labels: {}, driver: "", options: {} });
  execFileSync("mkdir", [`${path}/a`]);
  const id = await started("ls /part >/part/seen", { mounts: [volume("parts", "/part", { subpath: "a" })] });
  await node.containers().wait(id, AbortSignal.timeout(20_000));
  execFileSync("mv", [`${path}/a`, `${path}/old`]);
  await expect(node.containers().start(id)).rejects.toThrow("/a: no such file or directory");
  execFileSync("mkdir", [`${path}/a`]);
  writeFileSync(`${path}/a/fresh`, "");
  await node.containers().start(id);
  await node.containers().wait(id, AbortSignal.timeout(20_000));
  expect(readFileSync(`${path}/a/seen`, "utf8")).toBe("fresh\nseen\n");
});
