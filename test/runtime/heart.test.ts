import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { Manager } from "../../src/manager/index.ts";
import { put } from "../../src/model/index.ts";
import { aCluster, aNode } from "../../src/model/objects.fake.ts";
import { CertifiedCluster } from "../../src/rpc/cluster.fake.ts";
import { RpcServer } from "../../src/rpc/index.ts";
import { MemoryBackend, openSeal, Store } from "../../src/store/index.ts";
import { systemClock as clock, systemRandom as random } from "../../src/sys/index.ts";

/** A manager and a node's daemon, each a process of its own: who is busy lives, who is dead is found. */

const HEARTBEAT_MS = 1_000;
const GRACE_MS = 3 * HEARTBEAT_MS;
const ROOT = resolve(import.meta.dirname, "../..");

/** The daemon and its thread's file beside it, as a build has them. */
let programs: string;
let folder: string;
let cluster: CertifiedCluster;
let store: Store;
let stop: AbortController;
let server: RpcServer;
let runs: Promise<unknown>[];
let daemon: ChildProcess;
/** What the daemon has said. */
let said: string[];
/** Every state that the node has been in, in order. */
let states: string[];
let beats: number;

beforeAll(async () => {
  programs = mkdtempSync(join(tmpdir(), "shoal-heart-programs-"));
  symlinkSync(join(ROOT, "node_modules"), join(programs, "node_modules"));
  writeFileSync(join(programs, "package.json"), '{"type":"module"}');
  await build({
    entryPoints: {
      "heart-daemon": join(ROOT, "test/support/heart-daemon.ts"),
      "heart-thread": join(ROOT, "src/daemon/heart-thread.ts"),
    },
    ...{ outdir: programs, bundle: true, packages: "external", platform: "node", format: "esm" },
  });
});
afterAll(() => rmSync(programs, { recursive: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-heart-"));
  stop = new AbortController();
  cluster = await CertifiedCluster.create("cluster", { clock, random });
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  const manager = new Manager({ store, clock, random, log: silentLog });
  server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog },
    identity: await cluster.identity("manager-1", "manager"),
    services: {
      certificates: manager.certificates,
      visits: manager.visits,
      dispatcher: {
        session: (...args) => manager.dispatcher.session(...args),
        beat(...args) {
          const pause = manager.dispatcher.beat(...args);
          beats++;
          return pause;
        },
      },
    },
  });
  beats = 0;
  runs = [store.run(stop.signal)];
  const { version: _, ...spec } = aCluster();
  await store.update([
    put("cluster", { ...spec, version: 0, spec: { ...spec.spec, heartbeatMs: HEARTBEAT_MS } }),
    put("node", { ...aNode("node-1"), version: 0 }),
  ]);
  runs.push(manager.run(stop.signal));
  states = [];
  store.subscribe(() => {
    const { state = "gone" } = store.view.get("node", "node-1")?.status ?? {};
    if (states.at(-1) !== state) states.push(state);
  });
});

afterEach(async () => {
  daemon.kill("SIGKILL");
  stop.abort(new Error("the test is over"));
  await server.close();
  await Promise.all(runs);
  rmSync(folder, { recursive: true, force: true });
});

async function startDaemon(validForMs?: number): Promise<void> {
  const file = await identityFile("first", validForMs);
  const address = `127.0.0.1:${server.port}`;
  daemon = spawn(process.execPath, [join(programs, "heart-daemon.js"), address, file], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  said = [];
  createInterface({ input: daemon.stdout! }).on("line", (line) => said.push(line));
  await expect.poll(() => said, { timeout: 20_000 }).toContain("welcome");
  await expect.poll(() => states.at(-1), { timeout: 5_000 }).toBe("ready");
  await expect.poll(() => beats, { timeout: 20_000 }).toBeGreaterThan(0);
}

async function identityFile(name: string, validForMs?: number): Promise<string> {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(await cluster.identity("node-1", "worker", validForMs)));
  return file;
}

test("a daemon whose main thread is busy for thirty seconds stays ready, and goes on", async () => {
  await startDaemon();
  daemon.stdin?.write("busy 30000\n");
  await expect.poll(() => said, { timeout: 40_000, interval: 200 }).toContain("free");
  expect(states.slice(states.indexOf("ready"))).toEqual(["ready"]);
  // Its session was lost meanwhile: connections that answer nothing are.
  await expect.poll(() => said.filter((line) => line === "welcome").length, { timeout: 10_000 }).toBe(2);
  daemon.stdin?.write("busy 6000\n");
  await expect.poll(() => said.filter((line) => line === "free").length, { timeout: 10_000 }).toBe(2);
  expect(states.slice(states.indexOf("ready"))).toEqual(["ready"]);
});

test("a daemon that dies is down after three beats", async () => {
  await startDaemon();
  const killed = clock.now();
  daemon.kill("SIGKILL");
  await once(daemon, "exit");
  await expect.poll(() => states.at(-1), { timeout: 4 * GRACE_MS, interval: 20 }).toBe("down");
  const took = clock.now() - killed;
  expect(took).toBeGreaterThan(GRACE_MS - HEARTBEAT_MS * 1.2);
  expect(took).toBeLessThan(2 * GRACE_MS);
});

test("a renewed certificate reaches the heart: it beats on when the first one has run out", async () => {
  await startDaemon(6_000);
  daemon.stdin?.write(`identity ${await identityFile("second")}\n`);
  // Nothing else of the daemon is heard while its main thread is busy.
  daemon.stdin?.write(`busy ${6_000 + 2 * GRACE_MS}\n`);
  await expect.poll(() => said, { timeout: 20_000, interval: 200 }).toContain("free");
  expect(states.slice(states.indexOf("ready"))).toEqual(["ready"]);
});
