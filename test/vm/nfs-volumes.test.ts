import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { SystemMounter } from "../../src/runtime/volume-mounter.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { execOk, systemClock, systemRandom } from "../../src/sys/index.ts";

/*
 * A volume of another machine: the kernel's own NFS server, which is told by hand what mountd(8) would answer it
 * (exports(5); linux Documentation/filesystems/nfs/rpc-cache.rst), and the kernel's own client.
 */

const SERVED = "/srv/nfs-volumes";
const FOREVER = 4_000_000_000;
/** linux/nfsd/export.h: fsid, no_subtree_check, async, insecure; nobody is squashed. */
const FLAGS = 0x2000 | 0x400 | 0x10 | 0x2;

async function serve(): Promise<void> {
  mkdirSync(SERVED, { recursive: true });
  await execOk(["mount", "-t", "tmpfs", "tmpfs", SERVED]);
  await execOk(["mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd"]);
  writeFileSync("/proc/net/rpc/auth.unix.ip/channel", `nfsd 127.0.0.1 ${FOREVER} test\n`);
  writeFileSync("/proc/net/rpc/nfsd.export/channel", `test ${SERVED} ${FOREVER} ${FLAGS} 65534 65534 0\n`);
  writeFileSync("/proc/net/rpc/nfsd.fh/channel", `test 1 \\x00000000 ${FOREVER} ${SERVED}\n`);
  // Version 3 wants rpcbind. Nobody held anything open before: there is nothing to wait for.
  writeFileSync("/proc/fs/nfsd/versions", "-3\n");
  writeFileSync("/proc/fs/nfsd/nfsv4gracetime", "10\n");
  writeFileSync("/proc/fs/nfsd/threads", "2\n");
  appendFileSync("/etc/hosts", "127.0.0.1 files.test\n");
}

const mounter = new SystemMounter("/run", systemClock);
let volumes: LocalVolumes;
beforeAll(async () => {
  const dir = join(mkdtempSync(join(tmpdir(), "shoal-nfs-")), "volumes");
  volumes = await LocalVolumes.open({
    dir,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    mounter,
  });
});

const create = (name: string, o: string) =>
  volumes.create({ name, driver: "local", labels: {}, options: { type: "nfs", o, device: ":/" } });

test("a server that is not there is said to refuse", async () => {
  await create("away", "addr=127.0.0.1,nfsvers=4.2,port=2050,soft,retrans=0");
  await expect(volumes.hold("away", "c1")).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringMatching(
      /^error while mounting volume '.*\/away\/_data': failed to mount local volume: mount :\/:.*, data: addr=127.0.0.1,.*: Connection refused$/,
    ),
  });
});

test("a volume of an NFS server is mounted by its name, for all who use it, and its files outlive the volume", async () => {
  await serve();
  writeFileSync(join(SERVED, "theirs"), "from the server");
  const { path } = await create("files", "addr=files.test,rw,nfsvers=4.2");
  await Promise.all(["c1", "c2"].map((id) => volumes.hold("files", id)));
  const mounted = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(path));
  expect(mounted).toHaveLength(1);
  expect(mounted[0]).toMatch(/^:\/ .* nfs4 rw,.*vers=4\.2,.*addr=127\.0\.0\.1 /);
  expect(readFileSync(join(path, "theirs"), "utf8")).toBe("from the server");
  writeFileSync(join(path, "ours"), "from the container");
  await volumes.release("files", "c1");
  expect(readdirSync(path).sort()).toEqual(["ours", "theirs"]);
  await volumes.release("files", "c2");
  expect(readdirSync(path)).toEqual([]);
  await volumes.remove("files", { force: false, usedBy: [] });
  expect(readFileSync(join(SERVED, "ours"), "utf8")).toBe("from the container");
});
