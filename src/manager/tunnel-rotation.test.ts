import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, Fault, seededRandom, silentLog } from "../lib/index.ts";
import { type Change, put, remove } from "../model/index.ts";
import { aCluster, aNetwork, aNode } from "../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { runTunnelRotation } from "./tunnel-rotation.ts";

/** The loop over a real store, in fake time. */

class Flaky extends MemoryBackend {
  away = false;
  commits = 0;

  override async commit(writes: Parameters<MemoryBackend["commit"]>[0]): Promise<number> {
    this.commits++;
    if (this.away) throw new Fault("unavailable", "etcd is away");
    return super.commit(writes);
  }
}

let clock: FakeClock;
let backend: Flaky;
let store: Store;
let stop: AbortController;
let running: Promise<unknown>[];
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const dark = unsaved(
  aNetwork("dark", { driverOptions: { encrypted: "", "shoal.encryption.rotation": "10s" } }),
);
const on = (id: string) => unsaved(aNode(id, { attachments: { "net-dark": "10.0.1.3" } }));
const ring = () => store.view.cluster()?.tunnels;

async function write(...changes: Change[]): Promise<void> {
  const done = store.update(changes);
  await clock.advance(50);
  await done;
}

beforeEach(async () => {
  clock = new FakeClock();
  backend = new Flaky({ clock, latencyMs: 1 });
  store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  stop = new AbortController();
  running = [store.run(stop.signal)];
  await write(put("cluster", unsaved(aCluster())), put("node", on("n1")));
  running.push(runTunnelRotation({ store, clock, random: seededRandom(1), log: silentLog }, stop.signal));
});

afterEach(async () => {
  stop.abort();
  await clock.advance(20_000);
  await Promise.all(running);
});

test("secrets come with the first encrypted network, change in time, and go with the last", async () => {
  await clock.advance(60_000);
  expect(ring()).toBeUndefined();
  const { commits } = backend;
  await write(put("network", dark));
  expect(ring()).toMatchObject({ epoch: 1, members: { n1: { number: 0 } } });
  for (const secret of ring()?.secrets ?? []) expect(Buffer.from(secret, "base64")).toHaveLength(32);
  await write(put("node", on("n2")));
  expect(Object.keys(ring()?.members ?? {})).toEqual(["n1", "n2"]);
  await clock.advance(35_000);
  expect(ring()?.epoch).toBe(4);
  await write(remove("network", store.view.get("network", "net-dark")!));
  expect(ring()).toBeUndefined();
  const after = backend.commits;
  await clock.advance(60_000);
  expect(backend.commits).toBe(after);
  // Two writes of the test's own among them before that, and one for each change of the ring.
  expect(after - commits).toBe(3 + 6);
});

test("a store that is away is asked once in a while, and then it goes on", async () => {
  await write(put("network", dark));
  backend.away = true;
  const before = backend.commits;
  await clock.advance(40_000);
  expect(backend.commits - before).toBeLessThan(45);
  expect(ring()?.epoch).toBe(1);
  backend.away = false;
  await clock.advance(2_000);
  expect(ring()?.epoch).toBe(2);
});

test("another's write of the cluster is not undone", async () => {
  await write(put("network", dark));
  const cluster = store.view.cluster()!;
  await write(put("cluster", { ...cluster, joinSecrets: { worker: "w2", manager: "m2" } }));
  await clock.advance(10_100);
  expect(store.view.cluster()).toMatchObject({ joinSecrets: { worker: "w2" }, tunnels: { epoch: 2 } });
});
