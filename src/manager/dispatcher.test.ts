import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aborted, FakeClock, Fault, seededRandom, silentLog } from "../lib/index.ts";
import { type Change, type Node, put, remove, type Task } from "../model/index.ts";
import { aCluster, aNode, aService, aTask, T0 } from "../model/objects.fake.ts";
import { type Backend, type Commit, MemoryBackend, openSeal, Store, type Write } from "../store/index.ts";
import { AgentSide, DESCRIPTION, PlayedAgent, turn } from "./agents.fake.ts";
import { Manager } from "./manager.ts";

/** A backend whose writes can be made to fail. */
class BrittleBackend extends MemoryBackend {
  failure: Fault | undefined;
  commits = 0;

  override async commit(writes: readonly Write[]): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    // As etcd with our arguments.
    const bytes = writes.reduce((sum, write) => sum + (write.op === "put" ? write.value.length : 0), 0);
    if (writes.length > 8_192 || bytes > 32 * 2 ** 20)
      throw new Fault("unavailable", "etcdserver: request is too large");
    this.commits += 1;
    return super.commit(writes);
  }
}

/** Another manager's way to the same backend, which hears of no change. */
class DeafBackend implements Backend {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  list: Backend["list"] = (prefix) => this.#backend.list(prefix);
  commit: Backend["commit"] = (writes) => this.#backend.commit(writes);

  // biome-ignore lint/correctness/useYield: it never has anything to tell
  async *watch(_prefix: string, _version: number, signal: AbortSignal): AsyncGenerator<Commit> {
    await aborted(signal);
  }
}

const HEARTBEAT_MS = 5_000;
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const web = aService("web");

let backend: BrittleBackend;
let store: Store;
let side: AgentSide;

beforeEach(async () => {
  const clock = new FakeClock(T0);
  backend = new BrittleBackend();
  store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  side = new AgentSide(store, clock, seededRandom(1));
  await seed(
    put("cluster", unsaved(aCluster())),
    put("node", unsaved(fresh("node-1"))),
    put("node", unsaved({ ...fresh("node-2"), managerAddress: "10.9.0.2:2377" })),
    put("service", unsaved(web)),
  );
});
afterEach(() => side.close());

const seed = (...changes: Change[]) => store.update(changes);

/** A node as it is before its first session. */
function fresh(id: string): Node {
  const { description: _, ...node } = aNode(id, { status: { state: "unknown", message: "", address: "" } });
  return node;
}

function node(id = "node-1"): Node {
  const found = store.view.get("node", id);
  if (found === undefined) throw new Error(`no node ${id}`);
  return found;
}

function task(id = "web-1"): Task {
  const found = store.view.get("task", id);
  if (found === undefined) throw new Error(`no task ${id}`);
  return found;
}

async function place(slot: number, nodeId: string): Promise<void> {
  const status = { at: T0, state: "assigned", message: "" } as const;
  await seed(put("task", unsaved(aTask(web, slot, { nodeId, status }))));
  await turn();
}

describe("a session", () => {
  test("begins with a welcome, then the whole set; the node is ready", async () => {
    await place(1, "node-1");
    const agent = await side.join("node-1");
    const [welcome, assignments] = agent.heard;
    expect(welcome).toMatchObject({
      kind: "welcome",
      managers: ["10.9.0.2:2377"],
      cluster: { id: "cluster", dataPathPort: 4789 },
    });
    expect(assignments).toMatchObject({ kind: "assignments", complete: true, appliesTo: 0, resultsIn: 1 });
    expect([...agent.assigned.keys()]).toContain("task/web-1");
    expect(node()).toMatchObject({
      description: DESCRIPTION,
      status: { state: "ready", address: "10.9.0.7" },
      dataPathAddress: "10.9.0.7",
    });
  });

  test("the addresses that the node names count before the one it calls from", async () => {
    const agent = side.connect("node-1");
    agent.hello({ advertiseAddress: "10.9.0.8", dataPathAddress: "10.8.0.8" });
    await turn();
    expect(node()).toMatchObject({ status: { address: "10.9.0.8" }, dataPathAddress: "10.8.0.8" });
  });

  test("of a node elsewhere whose tunnels would end at everybody's loopback is refused", async () => {
    const agent = side.connect("node-1");
    agent.hello({ dataPathAddress: "127.0.0.1" });
    await turn();
    expect(agent.ended).toBe("tunnels cannot end at 127.0.0.1 for a node at 10.9.0.7");
    expect(node().status.state).toBe("unknown");
  });

  test("goes on with differences, each to the set before; what does not concern the node is not said", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    await place(2, "node-2");
    await seed(put("task", { ...task(), desiredState: "shutdown" }));
    await turn();
    await seed(remove("task", task()));
    await turn();
    const diffs = agent.of("assignments").slice(1);
    expect(diffs.map(({ complete, appliesTo, resultsIn }) => [complete, appliesTo, resultsIn])).toEqual([
      [false, 1, 2],
      [false, 2, 3],
      [false, 3, 4],
    ]);
    expect(diffs.map(({ upserts }) => upserts.map(({ key }) => key))).toEqual([
      ["task/web-1"],
      ["task/web-1"],
      [],
    ]);
    expect(diffs.map(({ removals }) => removals)).toEqual([[], [], ["task/web-1"]]);
    expect(agent.assigned.has("task/web-1")).toBe(false);
  });

  test("a report of the node is not echoed to it", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    const before = agent.of("assignments").length;
    agent.report("web-1", "preparing");
    await side.pass(100);
    expect(task().status.state).toBe("preparing");
    expect(agent.of("assignments")).toHaveLength(before);
  });

  test("a second hello on it gets the whole set again", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    agent.hello();
    await turn();
    expect(agent.of("assignments").at(-1)).toMatchObject({ complete: true, appliesTo: 0, resultsIn: 1 });
    expect([...agent.assigned.keys()]).toContain("task/web-1");
  });

  test("nothing is heard before the hello", async () => {
    await place(1, "node-1");
    const agent = side.connect("node-1");
    agent.report("web-1", "running");
    agent.applied(1);
    await side.pass(100);
    expect(agent.heard).toEqual([]);
    expect(() => agent.beat()).toThrow("that session is over");
    expect(task().status.state).toBe("assigned");
  });

  test("a newer one of the same node ends the older; the older's end does not touch the newer", async () => {
    const older = await side.join("node-1");
    const newer = await side.join("node-1");
    await turn();
    expect(older.ended).toBe("a newer session of this node took over");
    await place(1, "node-1");
    expect(newer.assigned.has("task/web-1")).toBe(true);
    expect(older.assigned.has("task/web-1")).toBe(false);
    expect(newer.beat()).toBeGreaterThan(0);
    expect(() => older.beat()).toThrow("that session is over; begin a new one");
  });

  test("of a node that was removed while it was away ends, and the node is told to leave", async () => {
    const agent = await side.join("node-9");
    await turn();
    expect(agent.heard).toEqual([{ kind: "leave", reason: "this node was removed from the swarm" }]);
    expect(agent.ended).toBe("this node was removed from the swarm");
  });

  test("of a node that this manager has not seen yet ends, and the node may come again", async () => {
    const clock = new FakeClock(T0);
    const behind = await Store.open({
      backend: new DeafBackend(backend),
      seal: openSeal,
      clock,
      log: silentLog,
    });
    await seed(put("node", unsaved(aNode("node-9"))));
    const other = new AgentSide(behind, clock, seededRandom(2));
    const agent = await other.join("node-9");
    await turn();
    expect(agent.heard).toEqual([]);
    expect(agent.ended).toBe("this manager does not know this node yet");
    await other.close();
  });

  test("of a node that is removed ends, and the node is told to leave", async () => {
    const agent = await side.join("node-1");
    await seed(remove("node", node()));
    await turn();
    expect(agent.heard.at(-1)).toEqual({ kind: "leave", reason: "this node was removed from the swarm" });
    expect(agent.ended).toBe("this node was removed from the swarm");
  });

  test("ends when the manager stops", async () => {
    const agent = await side.join("node-1");
    side.dispatcher.close("the manager stops");
    await turn();
    expect(agent.ended).toBe("the manager stops");
  });

  test("that cannot be written down ends with the reason, and the next one works", async () => {
    backend.failure = new Fault("unavailable", "etcd does not answer");
    const agent = await side.join("node-1");
    await turn();
    expect(agent.ended).toBe("etcd does not answer");
    expect(node().status.state).toBe("unknown");
    backend.failure = undefined;
    expect((await side.join("node-1")).of("welcome")).toHaveLength(1);
  });
});

test("a manager that begins to lead tells sessions what they have missed", async () => {
  await side.close();
  const { clock } = side;
  store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const running = store.run(stop.signal);
  const manager = new Manager({ store, clock, random: seededRandom(3), log: silentLog });
  const peer = { nodeId: "node-1", role: "worker", clusterId: "cluster", address: "10.9.0.7" } as const;
  const agent = new PlayedAgent(manager.dispatcher, peer);
  agent.hello();
  await turn();
  await place(1, "node-1");
  expect(agent.assigned.has("task/web-1")).toBe(false);
  const leading = manager.run(stop.signal);
  await turn();
  expect(agent.assigned.has("task/web-1")).toBe(true);
  expect(agent.of("assignments").map(({ complete }) => complete)).toEqual([true, false]);
  stop.abort(new Error("the test is over"));
  await Promise.all([leading, running]);
  await turn();
  expect(agent.ended).toBe("the manager stops");
});

describe("heartbeats", () => {
  test("are answered with the next period, spread by a tenth", async () => {
    const agent = await side.join("node-1");
    const periods = Array.from({ length: 100 }, () => agent.beat());
    expect(Math.min(...periods)).toBeGreaterThanOrEqual(0.9 * HEARTBEAT_MS);
    expect(Math.max(...periods)).toBeLessThanOrEqual(1.1 * HEARTBEAT_MS);
    expect(new Set(periods).size).toBeGreaterThan(50);
  });

  test("three missed: down, and not before", async () => {
    const agent = await side.join("node-1");
    agent.stream.close();
    await side.pass(3 * HEARTBEAT_MS - 300);
    expect(node().status.state).toBe("ready");
    await side.pass(900);
    expect(node().status).toMatchObject({ state: "down", message: "heartbeat failure" });
  });

  test("are not waited for when a node says that it leaves: it is down at once, and no other is", async () => {
    const older = await side.join("node-1");
    const agent = await side.join("node-1");
    await side.join("node-2");
    older.send({ kind: "farewell" });
    await side.pass(50);
    expect(node().status.state).toBe("ready");
    agent.send({ kind: "farewell" });
    await side.pass(50);
    expect(node().status).toMatchObject({ state: "down", message: "the node left the swarm" });
    expect(node("node-2").status.state).toBe("ready");
    expect(() => agent.beat()).toThrow("that session is over");
  });

  test("in time: never down", async () => {
    const agent = await side.join("node-1");
    for (let i = 0; i < 10; i++) {
      await side.pass(HEARTBEAT_MS);
      agent.beat();
    }
    expect(node().status.state).toBe("ready");
    expect(agent.ended).toBeUndefined();
  });

  test("count for a session whose stream is lost: an agent that is too busy to hold it is no dead one", async () => {
    const agent = await side.join("node-1");
    agent.stream.close();
    for (let i = 0; i < 6; i++) {
      await side.pass(HEARTBEAT_MS);
      agent.beat();
    }
    expect(node().status.state).toBe("ready");
  });

  test("of another node, or of a session that is not the last, count for nothing", async () => {
    const older = await side.join("node-1");
    await side.join("node-1");
    const other = await side.join("node-2");
    const { sessionId } = older.of("welcome")[0]!;
    const peer = { nodeId: "node-2", role: "worker", clusterId: "cluster" } as const;
    for (let i = 0; i < 4; i++) {
      await side.pass(HEARTBEAT_MS);
      other.beat();
      expect(() => older.beat()).toThrow("that session is over");
      expect(() => side.dispatcher.beat(peer, sessionId)).toThrow("that session is over");
    }
    expect(node().status.state).toBe("down");
    expect(node("node-2").status.state).toBe("ready");
  });

  test("a node declared down with its session open must begin a new one, and is ready then", async () => {
    const agent = await side.join("node-1");
    await side.pass(3 * HEARTBEAT_MS + 600);
    expect(node().status.state).toBe("down");
    expect(agent.ended).toBe("this node was declared down; begin a new session");
    expect(() => agent.beat()).toThrow("that session is over; begin a new one");
    await side.join("node-1");
    await side.pass(HEARTBEAT_MS);
    expect(node().status.state).toBe("ready");
  });

  test("nodes that were ready under another manager are unknown to this one, and have twice the grace", async () => {
    await seed(put("node", { ...node(), status: { ...node().status, state: "ready" } }));
    await side.close();
    await side.clock.advance(60_000);
    store = await Store.open({ backend, seal: openSeal, clock: side.clock, log: silentLog });
    side = new AgentSide(store, side.clock, seededRandom(2));
    await side.pass(6 * HEARTBEAT_MS - 300);
    expect(node().status).toMatchObject({
      state: "unknown",
      message: 'Node moved to "unknown" state due to leadership change in cluster',
    });
    await side.pass(900);
    expect(node().status).toMatchObject({
      state: "down",
      message: 'heartbeat failure for node in "unknown" state',
    });
    expect(node().status.downAt).toBeGreaterThan(T0 + 60_000);
    await side.join("node-1");
    expect(node().status.state).toBe("ready");
    expect(node().status.downAt).toBeUndefined();
  });

  test("the manager's own standstill is not the nodes' silence", async () => {
    const agent = await side.join("node-1");
    await side.pass(2 * HEARTBEAT_MS);
    // The clock jumps, as after a stopped process: no timer fired in between.
    Object.assign(side.clock, { now: () => T0 + 60_000 });
    await turn();
    await side.clock.advance(300);
    await turn();
    expect(node().status.state).toBe("ready");
    agent.stream.close();
  });

  test("a store that refuses the mark does not stop the watch", async () => {
    const agent = await side.join("node-1");
    agent.stream.close();
    await side.pass(3 * HEARTBEAT_MS - 300);
    backend.failure = new Fault("unavailable", "etcd does not answer");
    await side.pass(1_000);
    expect(node().status.state).toBe("ready");
    backend.failure = undefined;
    await side.pass(500);
    expect(node().status.state).toBe("down");
  });
});

describe("reports", () => {
  test("of the assigned node are written, a batch in one commit", async () => {
    const agent = await side.join("node-1");
    for (const slot of [1, 2, 3, 4]) await place(slot, "node-1");
    const before = backend.commits;
    for (const slot of [1, 2, 3, 4]) agent.report(`web-${slot}`, "preparing");
    await side.pass(50);
    expect([1, 2, 3, 4].map((slot) => task(`web-${slot}`).status.state)).toEqual(Array(4).fill("preparing"));
    expect(backend.commits - before).toBe(1);
  });

  test("only go forwards", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    agent.report("web-1", "running");
    await side.pass(50);
    agent.report("web-1", "preparing");
    await side.pass(50);
    expect(task().status.state).toBe("running");
    agent.report("web-1", "failed", { error: "exit 1" });
    agent.report("web-1", "running");
    await side.pass(50);
    expect(task().status).toMatchObject({ state: "failed", error: "exit 1" });
  });

  test("of another node count for nothing, and displace nothing", async () => {
    const agent = await side.join("node-1");
    const other = await side.join("node-2");
    await place(1, "node-1");
    other.report("web-1", "failed");
    await side.pass(50);
    expect(task().status.state).toBe("assigned");
    agent.report("web-1", "running");
    other.report("web-1", "failed");
    await side.pass(50);
    expect(task().status.state).toBe("running");
  });

  test("of one state in ever other words are written once a second, and without ports that nobody gave", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    const before = backend.commits;
    const port = { name: "x", protocol: "tcp", target: 80, published: 80, publishMode: "host" } as const;
    for (let i = 0; i < 40; i++) {
      agent.report("web-1", "preparing", { error: `words ${i}`, ports: Array(100).fill(port) });
      await side.pass(50);
    }
    expect(backend.commits - before).toBeLessThanOrEqual(3);
    expect(task().status).toMatchObject({ state: "preparing", error: expect.stringMatching(/^words 2/) });
    expect(task().status.ports).toBeUndefined();
    await side.pass(1_000);
    expect(task().status.error).toBe("words 39");
    agent.report("web-1", "running");
    await side.pass(50);
    expect(task().status.state).toBe("running");
  });

  test("of one state in other words are not lost: the last of a second is written, however it repeats itself", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    for (const error of [undefined, "first", "second", "task: unhealthy container"]) {
      agent.report("web-1", "running", error === undefined ? {} : { error });
      await side.pass(50);
    }
    expect(task().status.error).toBe("first");
    await side.pass(1_100);
    expect(task().status.error).toBe("task: unhealthy container");
    // What says nothing new spends no time.
    await side.pass(2_000);
    agent.report("web-1", "running", { error: "task: unhealthy container" });
    await side.pass(50);
    agent.report("web-1", "running", { error: "last" });
    await side.pass(50);
    expect(task().status.error).toBe("last");
  });

  test("too many or too long for one commit are written in several", async () => {
    const agent = await side.join("node-1");
    const status = { at: T0, state: "assigned", message: "" } as const;
    const env = [`LONG=${"x".repeat(2 ** 20)}`];
    const long = aService("web", {
      task: { ...web.spec.task, container: { ...web.spec.task.container, env } },
    });
    const slots = Array.from({ length: 40 }, (_, i) => i + 1);
    for (const slot of slots)
      await seed(put("task", unsaved(aTask(long, slot, { nodeId: "node-1", status }))));
    const before = backend.commits;
    const short = Array.from({ length: 1_200 }, (_, i) => i + 100);
    for (let i = 0; i < short.length; i += 400) {
      const some = short.slice(i, i + 400);
      await seed(...some.map((slot) => put("task", unsaved(aTask(web, slot, { nodeId: "node-1", status })))));
    }
    const statuses = [...slots, ...short].map((slot) => ({
      taskId: `web-${slot}`,
      status: { at: T0, state: "running", message: "" } as const,
    }));
    agent.send({ kind: "statuses", statuses });
    await side.pass(400);
    const states = statuses.map(({ taskId }) => task(taskId).status.state);
    expect(states).toEqual(states.map(() => "running"));
    expect(backend.commits - before).toBeLessThan(20);
  });

  test("of tasks that are gone are dropped, those beside them are written", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    agent.report("web-9", "running");
    agent.report("web-1", "running");
    await side.pass(50);
    expect(task().status.state).toBe("running");
  });

  test("wait for a store that does not answer, and the latest is written", async () => {
    const agent = await side.join("node-1");
    await place(1, "node-1");
    backend.failure = new Fault("unavailable", "etcd does not answer");
    agent.report("web-1", "preparing");
    await side.pass(300);
    agent.report("web-1", "running");
    await side.pass(300);
    expect(task().status.state).toBe("assigned");
    backend.failure = undefined;
    await side.pass(500);
    expect(task().status.state).toBe("running");
  });
});

test("a host thought dead that comes back begins anew, stops what was replaced, and gets no endpoint twice", async () => {
  await side.close();
  const { clock } = side;
  store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const running = store.run(stop.signal);
  const manager = new Manager({ store, clock, random: seededRandom(3), log: silentLog });
  const leading = manager.run(stop.signal);
  const join = async (nodeId: string) => {
    const agent = new PlayedAgent(manager.dispatcher, {
      ...{ nodeId, role: "worker", clusterId: "cluster", address: "10.9.0.7" },
    });
    agent.hello();
    await turn();
    return agent;
  };
  const pass = async (ms: number, alive: readonly PlayedAgent[]) => {
    for (let left = ms; left > 0; left -= 1_000) {
      for (const agent of alive) {
        agent.beat();
        for (const [key, told] of agent.assigned) {
          const { id, desiredState } = told as Task;
          if (key.startsWith("task/")) agent.report(id, desiredState === "running" ? "running" : "ready");
        }
      }
      await clock.advance(1_000);
      await turn();
    }
  };
  const lost = await join("node-1");
  await pass(3_000, [lost]);
  const [first] = [...store.view.all("task")].filter(({ nodeId }) => nodeId === "node-1");
  expect(first?.status.state).toBe("running");
  const other = await join("node-2");
  // Its network is gone: nothing of it is heard, its session is open still.
  await pass(3 * HEARTBEAT_MS + 3_000, [other]);
  expect(node("node-1").status.state).toBe("down");
  expect(lost.ended).toBe("this node was declared down; begin a new session");
  const wanted = () => [...store.view.all("task")].filter((t) => t.desiredState === "running");
  expect(wanted().length).toBeGreaterThan(0);
  expect(wanted().map(({ nodeId, status }) => [nodeId, status.state])).toEqual(
    wanted().map(() => ["node-2", "running"]),
  );
  const back = await join("node-1");
  expect(back.assigned.get(`task/${first?.id}`)).toMatchObject({ desiredState: "shutdown" });
  await pass(3_000, [other]);
  back.report(first!.id, "shutdown");
  back.beat();
  await pass(1_000, [other]);
  expect(node("node-1").status.state).toBe("ready");
  expect(task(first!.id).status.state).toBe("shutdown");
  expect(wanted().every(({ nodeId }) => nodeId === "node-2")).toBe(true);
  stop.abort(new Error("the test is over"));
  await Promise.all([leading, running]);
});
