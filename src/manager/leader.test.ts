import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, Fault, seededRandom, silentLog, sleep } from "../lib/index.ts";
import { type Change, isTerminal, put, type Task, type TaskState } from "../model/index.ts";
import { aCluster, aNode, aService, aTask } from "../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { runLeader } from "./leader.ts";
import { planScope } from "./planner.ts";

/** The leader's loop over a real store, in fake time. */

/** A backend that can be away for a while. */
class Flaky extends MemoryBackend {
  away = false;
  /** Commits are done, but nobody hears of it, and the watch is slow. */
  deaf = false;
  /** As if somebody else always wrote first. */
  contended = false;
  commits = 0;

  override async commit(writes: Parameters<MemoryBackend["commit"]>[0]): Promise<number> {
    this.commits++;
    if (this.away) throw new Fault("unavailable", "etcd is away");
    if (this.contended) throw new Fault("conflict", "a guard does not hold");
    const version = await super.commit(writes);
    if (this.deaf) throw new Fault("timeout", "etcd has not answered");
    return version;
  }

  override async list(prefix: string): ReturnType<MemoryBackend["list"]> {
    if (this.away) throw new Fault("unavailable", "etcd is away");
    return super.list(prefix);
  }

  override async *watch(...args: Parameters<MemoryBackend["watch"]>): ReturnType<MemoryBackend["watch"]> {
    for await (const commit of super.watch(...args)) {
      if (this.deaf) await sleep(clock, SLOW_MS);
      yield commit;
    }
  }
}

/** How far a slow watch is behind. */
const SLOW_MS = 3_000;

let clock: FakeClock;
let backend: Flaky;
let store: Store;
let stop: AbortController;
let running: Promise<unknown>[];

beforeEach(async () => {
  clock = new FakeClock();
  backend = new Flaky({ clock, latencyMs: 1 });
  store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  stop = new AbortController();
  running = [store.run(stop.signal)];
});

afterEach(async () => {
  stop.abort();
  await clock.advance(20_000);
  await Promise.all(running);
});

const parts = () => ({ store, clock, random: seededRandom(1), log: silentLog });
const start = (run: (signal: AbortSignal) => Promise<void>) => running.push(run(stop.signal));
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const tasks = () => [...store.view.all("task")];

async function seed(...changes: Change[]): Promise<void> {
  const done = store.update(changes);
  await clock.advance(5);
  await done;
}

async function report(task: Task, state: TaskState): Promise<void> {
  await seed(put("task", { ...task, status: { at: clock.now(), state, message: "" } }));
}

describe("runLeader()", () => {
  const web = unsaved(aService("web", { mode: { kind: "replicated", replicas: 2 } }));

  beforeEach(async () => {
    await seed(put("cluster", unsaved(aCluster())), put("node", unsaved(aNode("n1"))));
    start((signal) => runLeader(parts(), signal));
  });

  test("plans when the view moves, and sleeps when there is nothing to do", async () => {
    await seed(put("service", web));
    await clock.advance(20);
    expect(tasks().map((t) => [t.status.state, t.nodeId])).toEqual(Array(2).fill(["assigned", "n1"]));
    const { commits } = backend;
    await clock.advance(60_000);
    expect(backend.commits).toBe(commits);
  });

  test("wakes by itself when a delay runs out", async () => {
    await seed(put("service", web));
    await clock.advance(20);
    await report(tasks()[0]!, "failed");
    await clock.advance(4_900);
    const heir = () => tasks().find((t) => t.notBefore !== undefined);
    expect(heir()?.desiredState).toBe("ready");
    await clock.advance(200);
    expect(heir()?.desiredState).toBe("running");
  });

  test("goes on after the store was away, and does not hammer it meanwhile", async () => {
    backend.away = true;
    const refused = store.update([put("service", web)]).catch((error: unknown) => error);
    await clock.advance(5);
    expect(Fault.is(await refused, "unavailable")).toBe(true);
    backend.away = false;
    await seed(put("service", web));
    backend.away = true;
    const { commits } = backend;
    await clock.advance(2_000);
    expect(backend.commits - commits).toBeLessThanOrEqual(11);
    backend.away = false;
    await clock.advance(300);
    expect(tasks().filter((t) => !isTerminal(t))).toHaveLength(2);
  });

  test("a conflict is not hammered either", async () => {
    await seed(put("service", web));
    backend.contended = true;
    const { commits } = backend;
    await clock.advance(2_000);
    expect(backend.commits - commits).toBeLessThanOrEqual(11);
    backend.contended = false;
    await clock.advance(300);
    expect(tasks()).toHaveLength(2);
  });

  test("writers beside it cost it a new plan and no more", async () => {
    await seed(put("service", web));
    for (let i = 0; i < 5; i++) {
      const now = store.view.get("service", web.id)!;
      const labels = { round: String(i) };
      await seed(put("service", { ...now, spec: { ...now.spec, labels } }));
    }
    await clock.advance(500);
    expect(tasks().filter((t) => t.desiredState === "running")).toHaveLength(2);
  });
});

describe("a view that is behind the store", () => {
  const web = unsaved(aService("web", { mode: { kind: "replicated", replicas: 2 } }));

  beforeEach(() => seed(put("cluster", unsaved(aCluster())), put("node", unsaved(aNode("n1")))));

  test("a new leader knows what the one before it wrote before it plans, and waits for a store that is away", async () => {
    const other = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
    const term = new AbortController();
    running.push(other.run(term.signal));
    backend.deaf = true;
    await Promise.all([other.update([put("service", web)]).catch(() => 0), clock.advance(5)]);
    await other.catchUp();
    const [now] = [...other.view.all("service")];
    const task = unsaved(aTask(now!, 1, { id: "first", nodeId: "n1" }));
    await Promise.all([other.update([put("task", task)]).catch(() => 0), clock.advance(5)]);
    backend.deaf = false;
    backend.away = true;
    start((signal) => runLeader(parts(), signal));
    await clock.advance(1_000);
    expect(tasks()).toEqual([]);
    backend.away = false;
    await clock.advance(10_000);
    expect(
      tasks()
        .map(({ slot }) => slot)
        .sort(),
    ).toEqual([1, 2]);
    term.abort();
  });
});

describe("a plan of whose outcome nobody heard", () => {
  test("is not made again before the view has what it wrote, if it did", async () => {
    const web = unsaved(aService("web", { mode: { kind: "replicated", replicas: 1 } }));
    await seed(put("cluster", unsaved(aCluster())), put("node", unsaved(aNode("n1"))), put("service", web));
    start((signal) => runLeader(parts(), signal));
    await clock.advance(100);
    const now = store.view.get("service", web.id)!;
    const wider = { ...now, spec: { ...now.spec, mode: { kind: "replicated" as const, replicas: 3 } } };
    backend.deaf = true;
    await Promise.all([store.update([put("service", wider)]).catch(() => 0), clock.advance(20_000)]);
    const slots = tasks().map(({ slot }) => slot);
    expect(slots.sort()).toEqual([1, 2, 3]);
  });
});

describe("a service that a decider fails on", () => {
  const broken: typeof planScope = (view, scope, decision) => {
    if (scope.services.has("svc-bad")) throw new Error("a mistake of ours");
    return planScope(view, scope, decision);
  };

  test("is left alone and tried again; the others get what they ask for", async () => {
    const errors: unknown[] = [];
    const log = { ...silentLog, error: (_: string, fields?: unknown) => void errors.push(fields) };
    await seed(put("cluster", unsaved(aCluster())), put("node", unsaved(aNode("n1"))));
    await seed(...["a", "bad", "z"].map((name) => put("service", unsaved(aService(name)))));
    start((signal) => runLeader({ ...parts(), log, plan: broken }, signal));
    await clock.advance(200);
    expect(tasks().map((t) => [t.serviceName, t.status.state])).toEqual([
      ["a", "assigned"],
      ["z", "assigned"],
    ]);
    const soon = errors.length;
    expect(soon).toBeLessThanOrEqual(3);
    await clock.advance(30_000);
    expect(errors).toHaveLength(soon);
    await clock.advance(31_000);
    expect(errors).toHaveLength(soon + 1);
  });
});
