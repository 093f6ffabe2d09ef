import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { fillVolume } from "../../src/runtime/volume-fill.ts";
import { SystemMounter, type VolumeMounter } from "../../src/runtime/volume-mounter.ts";
import { volumesContract } from "../../src/runtime/volumes.contract.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { execOk, systemClock, systemRandom } from "../../src/sys/index.ts";

const wanted = { name: "data", labels: {}, options: {}, driver: "local" };

const mounter = new SystemMounter("/dev/shm", systemClock);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-volumes-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = () =>
  LocalVolumes.open({
    dir: join(folder, "volumes"),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    mounter,
  });

/** A folder of an image: its own owner and mode, a file, links, a pipe, a nested folder. */
async function imageFolder(): Promise<string> {
  const source = join(folder, "image");
  mkdirSync(join(source, "sub"), { recursive: true });
  writeFileSync(join(source, "sub", "file"), "hello", { mode: 0o640 });
  chownSync(join(source, "sub", "file"), 70, 71);
  utimesSync(join(source, "sub", "file"), 1000, 2000);
  symlinkSync("/etc/passwd", join(source, "absolute"));
  execFileSync("ln", [join(source, "sub", "file"), join(source, "hard")]);
  await execOk(["mkfifo", join(source, ".pipe")]);
  chownSync(source, 999, 998);
  chmodSync(source, 0o1750);
  return source;
}

volumesContract("LocalVolumes", open);

test("volumes are there after a restart, half-made and half-removed ones are not", async () => {
  const made = await (await open()).create({ ...wanted, labels: { a: "b" } });
  expect(made.path).toBe(join(folder, "volumes", "data", "_data"));
  expect(statSync(made.path).mode & 0o7777).toBe(0o755);
  mkdirSync(join(folder, "volumes", "half", "_data"), { recursive: true });
  mkdirSync(join(folder, "volumes", ".removed-1", "_data"), { recursive: true });
  const again = await open();
  expect(await again.list()).toEqual([made]);
  expect(readdirSync(join(folder, "volumes")).sort()).toEqual(["data", "half"]);
  await again.remove("data", { force: false, usedBy: [] });
  expect(existsSync(join(folder, "volumes", "data"))).toBe(false);
});

test("an empty volume takes over a folder with all its properties", async () => {
  const { path } = await (await open()).create(wanted);
  await fillVolume(path, await imageFolder());
  expect(readdirSync(path).sort()).toEqual([".pipe", "absolute", "hard", "sub"]);
  const root = statSync(path);
  expect([root.uid, root.gid, root.mode & 0o7777]).toEqual([999, 998, 0o1750]);
  const file = statSync(join(path, "sub", "file"));
  expect([file.uid, file.gid, file.mode & 0o7777, file.mtimeMs]).toEqual([70, 71, 0o640, 2_000_000]);
  expect(statSync(join(path, "hard")).ino).toBe(file.ino);
  expect(readlinkSync(join(path, "absolute"))).toBe("/etc/passwd");
  expect(lstatSync(join(path, ".pipe")).isFIFO()).toBe(true);
  expect(readdirSync(join(path, "..")).sort()).toEqual(["_data", "volume.json"]);
});

test("a volume that holds anything is left as it is", async () => {
  const { path } = await (await open()).create(wanted);
  writeFileSync(join(path, "mine"), "1");
  const before = statSync(path);
  await fillVolume(path, await imageFolder());
  expect(readdirSync(path)).toEqual(["mine"]);
  expect(statSync(path)).toMatchObject({ uid: before.uid, mode: before.mode });
});

test("an empty folder gives its owner and mode; a missing one, or a file, nothing", async () => {
  const volumes = await open();
  const [one, two] = [await volumes.create(wanted), await volumes.create({ ...wanted, name: "two" })];
  const source = join(folder, "empty");
  mkdirSync(source);
  chownSync(source, 5, 6);
  await fillVolume(one.path, source);
  expect(statSync(one.path)).toMatchObject({ uid: 5, gid: 6 });
  await fillVolume(two.path, join(folder, "missing"));
  writeFileSync(join(folder, "file"), "");
  await fillVolume(two.path, join(folder, "file"));
  expect(statSync(two.path).uid).toBe(0);
  expect(readdirSync(two.path)).toEqual([]);
});

test("fills at once fill once", async () => {
  const { path } = await (await open()).create(wanted);
  const source = await imageFolder();
  await Promise.all([fillVolume(path, source), fillVolume(path, source), fillVolume(path, source)]);
  expect(readFileSync(join(path, "sub", "file"), "utf8")).toBe("hello");
});

test("a copy that a crash cut off is made again", async () => {
  const { path } = await (await open()).create(wanted);
  mkdirSync(join(path, "..", ".filling", "sub"), { recursive: true });
  writeFileSync(join(path, "..", ".filling", "sub", "file"), "hel");
  await (await open()).create(wanted);
  expect(readdirSync(path)).toEqual([]);
  await fillVolume(path, await imageFolder());
  expect(readFileSync(join(path, "sub", "file"), "utf8")).toBe("hello");
});

test("a whole copy that a crash kept from moving in is moved in at the next use", async () => {
  const { path } = await (await open()).create(wanted);
  const filled = join(path, "..", ".filled");
  execFileSync("cp", ["--archive", await imageFolder(), filled]);
  renameSync(join(filled, "hard"), join(path, "hard"));
  writeFileSync(join(path, "absolute"), "a container was quicker");
  await (await open()).create(wanted);
  expect(readdirSync(path).sort()).toEqual([".pipe", "absolute", "hard", "sub"]);
  expect(readFileSync(join(path, "absolute"), "utf8")).toBe("a container was quicker");
  expect(statSync(path).uid).toBe(999);
  expect(existsSync(filled)).toBe(false);
});

test("a container that has the empty volume open sees what comes in", async () => {
  const { path } = await (await open()).create(wanted);
  const before = statSync(path).ino;
  await fillVolume(path, await imageFolder());
  expect(statSync(path).ino).toBe(before);
});

/** Files of the volume while it is held, and the words that the kernel has of it. */
async function mountedBy(options: Record<string, string>, work: (path: string) => void): Promise<string> {
  const volumes = await open();
  const { path } = await volumes.create({ ...wanted, options });
  await volumes.hold("data", "c1");
  const line = execFileSync("findmnt", ["-n", "-o", "FSTYPE,OPTIONS", "--mountpoint", path], {
    encoding: "utf8",
  });
  work(path);
  await volumes.release("data", "c1");
  expect(await mounter.mounted()).not.toContain(path);
  await volumes.remove("data", { force: false, usedBy: [] });
  return line.trim().replace(/\s+/, " ");
}

test("a tmpfs, a folder of the machine, a disk with a file system: what the options say is mounted", async () => {
  const tmpfs = await mountedBy({ type: "tmpfs", device: "tmpfs", o: "size=64k,uid=7,noexec" }, (path) =>
    expect(statSync(path).uid).toBe(7),
  );
  expect(tmpfs).toMatch(/^tmpfs rw,noexec,.*size=64k,uid=7/);
  const bound = join(folder, "a folder with spaces #1");
  mkdirSync(bound);
  await mountedBy({ type: "none", device: bound, o: "bind" }, (path) =>
    writeFileSync(join(path, "file"), "1"),
  );
  expect(readFileSync(join(bound, "file"), "utf8")).toBe("1");
  const disk = join(folder, "disk");
  writeFileSync(disk, "");
  truncateSync(disk, 8 << 20);
  execFileSync("mkfs.ext4", ["-q", disk]);
  const ext4 = await mountedBy({ type: "ext4", device: disk, o: "loop,ro,noatime" }, (path) =>
    expect(readdirSync(path)).toEqual(["lost+found"]),
  );
  expect(ext4).toMatch(/^ext4 ro,noatime/);
});

test("a volume is never deleted with what is mounted in it", async () => {
  const [bound, other] = [join(folder, "bound"), join(folder, "other")];
  for (const dir of [bound, other]) {
    mkdirSync(dir);
    writeFileSync(join(dir, "precious"), "");
  }
  const volumes = await open();
  const options = { type: "none", device: bound, o: "bind" };
  await volumes.create({ ...wanted, options });
  await volumes.hold("data", "c1");
  const remove = (of: LocalVolumes) => of.remove("data", { force: true, usedBy: [] });
  await expect(remove(volumes)).rejects.toThrow("remove data: volume is in use - [c1]");
  // Another daemon, before it knows who holds what.
  await remove(await open());
  expect(readdirSync(bound)).toEqual(["precious"]);
  // Somebody's own mount in a volume, and in one that was half removed.
  const { path } = await (await open()).create({ ...wanted, name: "mine" });
  mkdirSync(join(path, "deep"));
  await mounter.mount({ type: "none", device: other, options: "bind" }, join(path, "deep"));
  const refused = (await open()).remove("mine", { force: true, usedBy: [] });
  await expect(refused).rejects.toThrow("deep is mounted in it");
  renameSync(join(folder, "volumes", "mine"), join(folder, "volumes", ".removed-1"));
  await open();
  expect(readdirSync(other)).toEqual(["precious"]);
  await mounter.unmount(join(folder, "volumes", ".removed-1", "_data", "deep"));
});

/** What would be mounted, said instead of done. */
function played(): VolumeMounter & { readonly told: unknown[] } {
  const [told, at] = [[] as unknown[], new Set<string>()];
  return {
    told,
    async mount(device, target) {
      told.push({ mount: device });
      at.add(target);
    },
    async unmount(target) {
      told.push("unmount");
      at.delete(target);
    },
    mounted: async () => [...at],
    lookup: async () => "10.1.2.3",
  };
}

test("NFS: what mount(2) is told, once for all who use it, the server by number", async () => {
  const mounter = played();
  const volumes = await LocalVolumes.open({
    ...{ dir: join(folder, "volumes"), clock: systemClock, random: systemRandom, log: silentLog, mounter },
  });
  const options = { type: "nfs", o: "addr=files.lan,rw,nfsvers=4.2", device: ":/exports/a" };
  await volumes.create({ ...wanted, options });
  expect(mounter.told).toEqual([]);
  await Promise.all(["c1", "c2", "c1"].map((id) => volumes.hold("data", id)));
  const mount = { type: "nfs", device: ":/exports/a", options: "addr=10.1.2.3,rw,nfsvers=4.2" };
  expect(mounter.told).toEqual([{ mount }]);
  await volumes.release("data", "c1");
  expect(mounter.told).toHaveLength(1);
  await volumes.release("data", "c2");
  expect(mounter.told).toEqual([{ mount }, "unmount"]);
  await volumes.hold("data", "c3");
  await volumes.restore(new Map([["data", new Set(["c4"])]]));
  await volumes.release("data", "c3");
  expect(mounter.told.slice(2)).toEqual([{ mount }]);
});

test("a password is in no command line, no error", async () => {
  const wantedShare = {
    type: "cifs",
    device: "//127.0.0.1/share",
    options: "username=u,password=hush-3f0c,port=1",
  };
  const seen: string[] = [];
  const look = setInterval(() => seen.push(commandLines()), 1);
  const failed = mounter.mount(wantedShare, folder);
  await expect(failed).rejects.toThrow(
    /password=\*{8},port=1: unknown filesystem type 'cifs'|password=\*{8},port=1: /,
  );
  clearInterval(look);
  expect(seen.join("\n")).not.toContain("hush-3f0c");
  expect(await failed.catch(String)).not.toContain("hush-3f0c");
});

/** Of all programs that run. */
function commandLines(): string {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    })
    .join("\n");
}
