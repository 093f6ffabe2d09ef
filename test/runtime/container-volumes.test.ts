import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import type { ContainerConfig, VolumeMount } from "../../src/runtime/container.ts";
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
    LocalVolumes.open({ dir, clock: systemClock, random: systemRandom, log: silentLog }),
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
