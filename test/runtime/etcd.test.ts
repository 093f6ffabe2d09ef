import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { aesSeal, EtcdProcess, removeEtcdData } from "../../src/etcd/index.ts";
import { KV } from "../../src/gen/etcdserverpb/rpc_pb.ts";
import { GrpcClient } from "../../src/grpc/index.ts";
import { Fault, messageOf, silentLog } from "../../src/lib/index.ts";
import { put } from "../../src/model/index.ts";
import { aService } from "../../src/model/objects.fake.ts";
import { describeBackend } from "../../src/store/backend.contract.ts";
import { Store } from "../../src/store/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { partsIn, TestEtcds, until } from "../support/etcd.ts";

const etcds = new TestEtcds();
afterEach(() => etcds.end());

const one = new Uint8Array([1]);
const key = (i: number) => `/k/${String(i).padStart(3, "0")}`;

describeBackend("EtcdBackend", async () => {
  const { backend, etcd } = await etcds.start();
  return { backend, compact: () => compact(etcd.target, backend) };
});

async function compact(target: string, backend: { list(p: string): Promise<{ version: number }> }) {
  const client = new GrpcClient({ target, credentials: credentials.createInsecure(), name: "etcd" });
  const { version } = await backend.list("/");
  await client.unary(KV.method.compact, { revision: BigInt(version) });
  client.close();
}

test("a watcher far behind gets every commit whole, though etcd cuts what it has missed by size", async () => {
  const { backend } = await etcds.start();
  const value = new Uint8Array(2 ** 21);
  for (const commit of [0, 1, 2]) {
    const keys = Array.from({ length: 7 }, (_, i) => `/big/${commit}/${i}`);
    await backend.commit(keys.map((k) => ({ op: "put", key: k, value, expected: 0 })));
  }
  const stop = new AbortController();
  const sizes: number[] = [];
  for await (const { puts } of backend.watch("/big/", 0, stop.signal)) {
    sizes.push(puts.length);
    if (puts.some((entry) => entry.key === "/big/2/6")) stop.abort();
  }
  expect(sizes).toEqual([7, 7, 7]);
});

test("a database full of history is made room in, while others write too, and nothing of what is gets lost", async () => {
  const { backend } = await etcds.start(undefined, { quotaBytes: 2 ** 24 });
  const value = new Uint8Array(2 ** 20);
  await backend.commit([{ op: "put", key: "/kept", value: one, expected: 0 }]);
  let refusals = 0;
  const rewrite = async (key: string) => {
    let expected = 0;
    for (let i = 0; i < 30; i++) {
      expected = await backend.commit([{ op: "put", key, value, expected }]).catch(async (error: unknown) => {
        refusals += 1;
        if (!Fault.is(error, "unavailable")) throw error;
        return (await backend.list(key)).entries[0]?.version ?? 0;
      });
    }
  };
  await Promise.all([rewrite("/a"), rewrite("/b"), rewrite("/c")]);
  expect(refusals).toBeGreaterThan(0);
  expect(refusals).toBeLessThan(45);
  const { entries } = await backend.list("/");
  expect(entries.map((entry) => [entry.key, entry.value.length])).toEqual([
    ["/a", 2 ** 20],
    ["/b", 2 ** 20],
    ["/c", 2 ** 20],
    ["/kept", 1],
  ]);
});

test("a database full of what is stays full, and says so", async () => {
  const { backend } = await etcds.start(undefined, { quotaBytes: 2 ** 24 });
  const value = new Uint8Array(2 ** 20);
  const refusals = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const writing = backend.commit([{ op: "put", key: key(i), value, expected: 0 }]);
    await writing.catch((error: unknown) => refusals.add(messageOf(error)));
  }
  expect(refusals).toContain("cannot write: etcd is full");
  expect(refusals.size).toBe(2);
  expect((await backend.list("/k/")).entries.length).toBeGreaterThan(5);
});

describe("EtcdProcess", () => {
  test("killed in the middle of writes it comes back with all it acknowledged, and no watcher misses any", async () => {
    const started = await etcds.start();
    const { etcd, backend } = started;
    etcds.keep(started);
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { puts } of backend.watch("/k/", 0, stop.signal)) {
        seen.push(...puts.map((entry) => entry.key));
        if (seen.includes(key(299))) stop.abort();
      }
    })();
    const acknowledged = new Set<string>();
    for (let i = 0; i < 300; i++) {
      if (i === 100 || i === 200) process.kill(etcd.pid!, "SIGKILL");
      await until(`write ${i}`, async () => {
        const refused = await backend
          .commit([{ op: "put", key: key(i), value: one, expected: 0 }])
          .then(() => acknowledged.add(key(i)))
          .catch((error: unknown) => Fault.is(error, "conflict") || undefined);
        return refused;
      });
    }
    await watching;
    const kept = (await backend.list("/k/")).entries.map((entry) => entry.key);
    expect(acknowledged.size).toBeGreaterThan(290);
    expect([...acknowledged].filter((k) => !kept.includes(k))).toEqual([]);
    expect(seen).toEqual(kept);
    expect(kept.length).toBe(300);
  });

  test("a caller waits out the restart instead of failing", async () => {
    const started = await etcds.start();
    const { etcd, backend } = started;
    const ended = until("the end of etcd", () => (alive(etcd.pid!) ? undefined : true));
    process.kill(etcd.pid!, "SIGKILL");
    await ended;
    await until("the channel to see it", () =>
      backend.probe().then(
        () => undefined,
        () => true,
      ),
    );
    etcds.keep(started);
    expect(await backend.commit([{ op: "put", key: "/a", value: one, expected: 0 }])).toBeGreaterThan(0);
  });

  test("a start on the folder of an etcd that was left behind ends that one and serves its data", async () => {
    const { backend, folder, etcd } = await etcds.start();
    await backend.commit([{ op: "put", key: "/a", value: one, expected: 0 }]);
    const second = await etcds.start(folder);
    expect(alive(etcd.pid!)).toBe(false);
    expect(second.etcd.pid).not.toBe(etcd.pid);
    expect((await second.backend.list("/")).entries.map((entry) => entry.key)).toEqual(["/a"]);
  });

  test("nothing but root's own socket leads to it", async () => {
    const { etcd, folder } = await etcds.start();
    expect(statSync(join(folder, "run")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
    const { stdout } = await promisify(execFile)("ss", ["-Htulnp"]);
    expect(stdout.split("\n").filter((line) => line.includes(`pid=${etcd.pid},`))).toEqual([]);
  });

  test("says plainly why it cannot start: not installed, damaged, or held by another", async () => {
    const folder = etcds.folder();
    const path = process.env["PATH"];
    process.env["PATH"] = folder;
    const missing = await faultOf(EtcdProcess.start(partsIn(folder))).finally(() => {
      process.env["PATH"] = path;
    });
    expect(missing.kind).toBe("unavailable");
    expect(missing.message).toBe(
      "cannot start etcd: etcd was not found; install etcd-server (apt-get install etcd-server)",
    );

    const { etcd } = await etcds.start(folder);
    await etcd.stop();
    const database = join(folder, "data/member/snap/db");
    const whole = readFileSync(database);
    writeFileSync(database, new Uint8Array(16_384).fill(7));
    const damaged = await faultOf(EtcdProcess.start(partsIn(folder)));
    expect(damaged.message).toMatch(/^cannot start etcd on \S+: failed to open database: invalid database$/);

    writeFileSync(database, whole);
    const holder = promisify(execFile)("flock", [database, "cat"]);
    try {
      await until(
        "the lock",
        () => readFileSync("/proc/locks", "utf8").includes(`:${statSync(database).ino} `) || undefined,
      );
      const held = await faultOf(EtcdProcess.start(partsIn(folder)));
      expect(held.message).toMatch(/^cannot start etcd on \S+: process \d+ holds the lock on its data$/);
    } finally {
      holder.child.stdin?.end();
      await holder;
    }
  });

  test("a socket path that no client could use is refused at once", async () => {
    const folder = etcds.folder();
    const parts = { ...partsIn(folder), runDir: join(folder, "r".repeat(107)) };
    expect((await faultOf(EtcdProcess.start(parts))).kind).toBe("invalid");
  });

  test("removeEtcdData ends it and leaves nothing", async () => {
    const { etcd, folder } = await etcds.start();
    await removeEtcdData(partsIn(folder));
    expect(alive(etcd.pid!)).toBe(false);
    expect(existsSync(join(folder, "data"))).toBe(false);
  });
});

describe("Store over etcd", () => {
  test("reads its own words, and what lies on the disk is sealed", async () => {
    const { backend, folder } = await etcds.start();
    const seal = aesSeal(new Uint8Array(32).fill(3));
    const store = await Store.open({ backend, seal, clock: systemClock, log: silentLog });
    const stop = new AbortController();
    const running = store.run(stop.signal);
    const web = aService("web", { labels: { note: "correct-horse-battery" } }, { version: 0 });
    const version = await store.update([put("service", web)]);
    expect(store.view.get("service", web.id)).toMatchObject({ version, spec: web.spec });
    const other = await Store.open({ backend, seal, clock: systemClock, log: silentLog });
    expect(other.view.get("service", web.id)).toEqual(store.view.get("service", web.id));
    stop.abort();
    await running;
    const files = readdirSync(join(folder, "data"), { recursive: true, withFileTypes: true });
    const stored = files.filter((f) => f.isFile()).map((f) => readFileSync(join(f.parentPath, f.name)));
    expect(stored.some((bytes) => bytes.includes("/shoal/service/svc-web"))).toBe(true);
    expect(stored.some((bytes) => bytes.includes("correct-horse"))).toBe(false);
  });
});

function alive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault, but ${String(error)}`);
}
