import { afterEach, beforeEach, expect, test } from "vitest";
import { type Clock, seededRandom, silentLog } from "../lib/index.ts";
import { put } from "../model/index.ts";
import { aCluster, aNode, T0 } from "../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { turn } from "./agents.fake.ts";
import { Liveness } from "./liveness.ts";

/** A manager whose event loop is slow: all that is due runs once a turn, and a turn takes as long as the test says. */
class SlowClock implements Clock {
  #now = T0;
  #due: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  after(_ms: number, fn: () => void): { cancel(): void } {
    this.#due.push(fn);
    const cancel = () => {
      this.#due = this.#due.filter((due) => due !== fn);
    };
    return { cancel };
  }

  async turn(ms: number): Promise<void> {
    this.#now += ms;
    for (const fn of this.#due.splice(0)) fn();
    await turn();
  }
}

const GRACE_MS = 15_000;
let stop: AbortController;
let clock: SlowClock;
let store: Store;
let liveness: Liveness;

beforeEach(async () => {
  clock = new SlowClock();
  stop = new AbortController();
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  void store.run(stop.signal);
  await store.update([
    put("cluster", { ...aCluster(), version: 0 }),
    put("node", { ...aNode("node-1"), version: 0 }),
  ]);
  liveness = new Liveness({ store, clock, random: seededRandom(1), log: silentLog });
  liveness.heard("node-1");
  void liveness.run(stop.signal);
  await turn();
});
afterEach(() => stop.abort(new Error("the test is over")));

const state = () => store.view.get("node", "node-1")?.status.state;

test("one long standstill is nobody's silence", async () => {
  await clock.turn(250);
  await clock.turn(10 * GRACE_MS);
  await clock.turn(250);
  expect(state()).toBe("ready");
});

test("a manager that is busy all the time has heard less of the nodes, and waits longer; a dead one is found", async () => {
  for (let ms = 0; ms < 2 * GRACE_MS; ms += 2_000) await clock.turn(2_000);
  expect(state()).toBe("ready");
  for (let ms = 0; ms < 3 * GRACE_MS; ms += 2_000) await clock.turn(2_000);
  expect(state()).toBe("down");
});

test("a clock that is set, forwards or back, makes no node silent and none immortal", async () => {
  for (let i = 0; i < 8; i++) {
    await clock.turn(i % 2 === 0 ? 3_600_000 : -3_600_000);
    await clock.turn(250);
  }
  expect(state()).toBe("ready");
  for (let ms = 0; ms <= GRACE_MS; ms += 250) await clock.turn(250);
  expect(state()).toBe("down");
});
