import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import type { ContainerConfig, VolumeMount, Volumes } from "../../src/runtime/container.ts";
import type { PackedTree } from "../../src/runtime/tree.ts";
import { archiveOf, entriesOf } from "../../src/runtime/trees.contract.ts";
import { SystemMounter } from "../../src/runtime/volume-mounter.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { systemClock as clock, systemRandom as random } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { openNode, type TestNode } from "../support/test-containers.ts";
import { until } from "../support/until.ts";

/** Copying from and into real containers that are mounted full, and that do what they can to have the host's files copied. */

const never = new AbortController().signal;
const PLAIN = { keepsKinds: true, asUser: false };

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image: string;
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
  const volumes = (dir: string): Promise<Volumes> =>
    LocalVolumes.open({ dir, clock, random, log: silentLog, mounter: new SystemMounter("/dev/shm", clock) });
  node = await openNode(containerd, registry, volumes);
  image = await node.put("busybox", await makeImage([busyboxFiles()]));
});
afterEach(async () => {
  for (const { id } of await node.containers().list()) await node.containers().remove(id);
});
afterAll(async () => {
  await node?.end();
  await Promise.all([containerd?.stop(), registry?.stop()]);
});

const create = async (
  script: string,
  more: Partial<ContainerConfig> = {},
  contents = new Map(),
): Promise<string> => {
  const config = node.config(image, script, more);
  await node.containers().create(config, contents);
  return config.id;
};
const write = (id: string, path: string, entries: Parameters<typeof archiveOf>[0], how = PLAIN) =>
  node.containers().trees.write(id, path, archiveOf(entries), how, never);
const textOf = async (id: string, path: string): Promise<string | undefined> => {
  const { archive } = await node.containers().trees.read(id, path, never);
  return (await entriesOf(archive))[0]?.content;
};

const bind = (source: string, target: string, readOnly = false) =>
  ({ type: "bind", source, target, readOnly }) as const;
const volume = (source: string, target: string, readOnly = false): VolumeMount => ({
  ...{ source, target, readOnly, noCopy: false, labels: {}, driver: "", driverOptions: {} },
  type: "volume",
});

test("what is mounted is what is copied, running or not; read-only is read-only, in Docker's words", async () => {
  const host = `${node.dir}/host`;
  mkdirSync(`${host}/sub`, { recursive: true });
  writeFileSync(`${host}/sub/file`, "bound");
  const mounts = [bind(host, "/bound/in"), volume("data", "/data"), volume("data", "/ro", true)];
  const files = [{ target: "/run/secrets/key", uid: 7, gid: 7, mode: 0o400 }];
  const secret = new Map([["/run/secrets/key", Buffer.from("hidden")]]);
  const id = await create("exec sleep 1000", { mounts, files, user: "12:34" }, secret);
  for (const life of ["created", "running", "stopped"]) {
    if (life === "running") await node.containers().start(id);
    if (life === "stopped") await node.containers().stop(id, { graceMs: 0 });
    expect(await textOf(id, "/bound/in/sub/file")).toBe("bound");
    expect(await textOf(id, "/run/secrets/key")).toBe("hidden");
    expect(await textOf(id, "/etc/hosts")).toContain("localhost");
    await write(id, "/data", [{ name: life, content: life, uid: 99 }]);
    expect(await textOf(id, `/ro/${life}`)).toBe(life);
    await write(id, "/bound/in", [{ name: life, content: life, uid: 99 }], {
      keepsKinds: true,
      asUser: true,
    });
    expect(readFileSync(`${host}/${life}`, "utf8")).toBe(life);
    expect([statSync(`${host}/${life}`).uid, statSync(`${host}/${life}`).gid]).toEqual([12, 34]);
    await expect(write(id, "/ro", [{ name: "x", content: "x" }])).rejects.toMatchObject({
      ...{ kind: "invalid", message: "mounted volume is marked read-only" },
    });
  }
  const fixed = await create("exec sleep 1000", { readOnly: true, mounts: [volume("data", "/data")] });
  for (const life of ["created", "running"]) {
    if (life === "running") await node.containers().start(fixed);
    await expect(write(fixed, "/tmp", [{ name: "x", content: "x" }])).rejects.toMatchObject({
      ...{ kind: "invalid", message: "container rootfs is marked read-only" },
    });
    await write(fixed, "/data", [{ name: `fixed-${life}`, content: "x" }]);
  }
  await node.containers().remove(fixed);
  await node.containers().remove(id);
  await node.volumes.remove("data", { force: true, usedBy: [] });
});

test("a container that swaps folders for links to the host's never has a host's file read or written", async () => {
  const target = `${node.dir}/of-the-host`;
  mkdirSync(target);
  writeFileSync(`${target}/file`, "the host's");
  const up = "../".repeat(20);
  const swap = [
    `mkdir -p /w/real /jail${target}; echo mine > /w/real/file; echo mine > /jail${target}/file`,
    `while :; do ln -s ${target} /w/l1; mv -T /w/l1 /w/way; ln -s real /w/l2; mv -T /w/l2 /w/way;`,
    `ln -s ${up}${target.slice(1)} /w/l3; mv -T /w/l3 /w/way;`,
    "rm -rf /w/way; mkdir /w/way; echo mine > /w/way/file; rm -rf /w/way; done",
  ].join("\n");
  const applets = ["mkdir", "ln", "mv", "rm"].map((word) => `${word}() { busybox ${word} "$@"; }`).join("\n");
  const id = await create(`${applets}\n${swap}`);
  await node.containers().start(id);
  const seen = new Set<string>();
  // Each round meets the link in another place; the container is at it when its own file is seen, too.
  for (let round = 0; round < 12 || (!seen.has("mine\n") && round < 100); round++) {
    const read = node
      .containers()
      .trees.read(id, round % 2 === 0 ? "/w/way/file" : "/w/way/.", never)
      .then(async ({ archive }: PackedTree) => (await entriesOf(archive)).map(({ content }) => content))
      .catch(() => []);
    const wrote = write(id, round % 2 === 0 ? "/w/way" : "/w", [{ name: "way/planted", content: "!" }]).catch(
      () => {},
    );
    for (const content of await read) seen.add(content ?? "");
    await wrote;
  }
  expect(seen.has("mine\n")).toBe(true);
  expect(seen.has("the host's")).toBe(false);
  expect(readdirSync(target)).toEqual(["file"]);
  expect(readFileSync(`${target}/file`, "utf8")).toBe("the host's");
});

test("what nobody reads on, and whose client leaves, ends; nothing is left, and the container starts", async () => {
  const id = await create("exec sleep 1000");
  await write(id, "/tmp", [{ name: "big", content: "x".repeat(8 << 20) }]);
  const left = new AbortController();
  const { archive } = await node.containers().trees.read(id, "/tmp/big", left.signal);
  await archive[Symbol.asyncIterator]().next();
  const starting = node.containers().start(id);
  left.abort(new Error("the client has left"));
  await starting;
  const quiet = new AbortController();
  const sending = node.containers().trees.write(
    id,
    "/tmp",
    (async function* () {
      yield Buffer.alloc(100);
      await new Promise(() => {});
    })(),
    PLAIN,
    quiet.signal,
  );
  quiet.abort(new Error("the client has left"));
  await expect(sending).rejects.toThrow("the client has left");
  const stopping = node.containers().trees.read(id, "/tmp/big", never);
  const rest = (await stopping).archive;
  await rest[Symbol.asyncIterator]().next();
  await node.containers().stop(id, { graceMs: 0 });
  await expect(entriesOf(rest)).rejects.toThrow();
  await until(() => programs().length === 0);
});

/** Copying programs of this process that still run. */
function programs(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
    .split(" ")
    .filter((pid) => pid !== "" && cmdlineOf(pid).includes("program.js"));
}

function cmdlineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
