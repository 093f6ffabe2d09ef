import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import { type Change, type Node, put, type Task } from "../model/index.ts";
import { aCluster, aNetwork, aNode, aService, aTask, T0 } from "../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { AgentSide, type PlayedAgent, turn } from "./agents.fake.ts";
import { DRAIN_MS } from "./draining.ts";

/** Tasks that are to stop, with played agents: "node-1" and "node-2" are on network "net-front", "node-3" is not. */

const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const web = aService("web");
const HEARTBEAT_MS = 5_000;

let backend: MemoryBackend;
let side: AgentSide;

beforeEach(async () => {
  backend = new MemoryBackend();
  side = await startManager(new FakeClock(T0));
  await side.store.update(world());
});
afterEach(() => side.close());

const world = (): Change[] => [
  put("cluster", unsaved(aCluster())),
  put("network", unsaved(aNetwork("front"))),
  put("service", unsaved(web)),
  ...["1", "2", "3"].map((n) => put("node", unsaved(onFront(`node-${n}`, n !== "3")))),
  ...[1, 2].map((slot) => put("task", unsaved(running(slot, `node-${slot}`)))),
];

async function startManager(clock: FakeClock): Promise<AgentSide> {
  const store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  return new AgentSide(store, clock, seededRandom(1));
}

function onFront(id: string, isOn: boolean): Node {
  return aNode(id, { attachments: isOn ? { "net-front": `10.0.1.${id.at(-1)}` } : {} });
}

function running(slot: number, nodeId: string): Task {
  const status = { at: T0, state: "running", message: "started" } as const;
  const attachments = [{ networkId: "net-front", address: `10.0.1.${10 + slot}` }];
  return aTask(web, slot, { nodeId, status, attachments });
}

function task(id: string): Task {
  const found = side.store.view.get("task", id);
  if (found === undefined) throw new Error(`no task ${id}`);
  return found;
}

async function change(...changes: Change[]): Promise<void> {
  await side.store.update(changes);
  await turn();
}

const stop = (id: string, desiredState: "shutdown" | "remove" = "shutdown") =>
  change(put("task", { ...task(id), desiredState }));

async function joinSlow(nodeId: string): Promise<PlayedAgent> {
  const agent = await side.join(nodeId);
  await turn();
  agent.isPrompt = false;
  return agent;
}

test("a task that its node has given up leaves the endpoints too, and its node hears when all have let go", async () => {
  const [own, other] = [await joinSlow("node-1"), await joinSlow("node-2")];
  const status = { ...task("web-1").status, error: "task: unhealthy container" };
  await change(put("task", { ...task("web-1"), status }));
  for (const agent of [own, other]) expect(agent.assigned.has("endpoint/web-1")).toBe(false);
  expect(own.drained).toEqual([]);
  for (const agent of [own, other]) agent.applied();
  await turn();
  expect(own.drained).toEqual(["web-1"]);
});

describe("a task that is to stop", () => {
  test("leaves every node's endpoints at once; its node hears when the last kernel works without it", async () => {
    const [own, other] = [await joinSlow("node-1"), await joinSlow("node-2")];
    await stop("web-1");
    for (const agent of [own, other]) {
      expect(agent.assigned.has("endpoint/web-1")).toBe(false);
      expect(agent.assigned.has("attachment/web-1")).toBe(true);
    }
    own.applied();
    await turn();
    expect(own.drained).toEqual([]);
    other.applied();
    await turn();
    expect(own.drained).toEqual(["web-1"]);
    expect(other.drained).toEqual([]);
  });

  test.each(["shutdown", "remove"] as const)("is drained however it is to go: %s", async (desired) => {
    const [own] = [await side.join("node-1"), await side.join("node-2")];
    await stop("web-1", desired);
    expect(own.drained).toEqual(["web-1"]);
  });

  test("does not wait for nodes that are not on its networks", async () => {
    const [own] = [await side.join("node-1"), await side.join("node-2"), await joinSlow("node-3")];
    await stop("web-1");
    expect(own.drained).toEqual(["web-1"]);
  });

  test("an answer to an earlier set is no answer; one to a later set is", async () => {
    const [own, other] = [await side.join("node-1"), await joinSlow("node-2")];
    await stop("web-2");
    const early = other.of("assignments").at(-1)?.resultsIn ?? 0;
    await stop("web-1");
    other.send({ kind: "applied", sequence: early });
    await turn();
    expect(own.drained).toEqual([]);
    await change(put("service", bumpedService()));
    other.applied();
    await turn();
    expect(own.drained).toEqual(["web-1"]);
  });

  test("an agent cannot answer for sets that it was never told", async () => {
    const [own, other] = [await side.join("node-1"), await joinSlow("node-2")];
    other.send({ kind: "applied", sequence: 1_000_000 });
    await turn();
    await stop("web-1");
    expect(own.drained).toEqual([]);
  });

  test("one that never ran, or is on no network, is not spoken of", async () => {
    const own = await side.join("node-1");
    const status = { at: T0, state: "starting", message: "" } as const;
    await change(put("task", { ...task("web-1"), status }));
    await stop("web-1");
    await change(put("task", unsaved({ ...running(3, "node-1"), attachments: [] })));
    await stop("web-3");
    await side.pass(2 * DRAIN_MS);
    expect(own.drained).toEqual([]);
  });

  test("many at once are told together", async () => {
    const [own] = [await joinSlow("node-1"), await side.join("node-2")];
    await change(...[3, 4, 5].map((slot) => put("task", unsaved(running(slot, "node-1")))));
    await change(...[3, 4, 5].map((s) => put("task", { ...task(`web-${s}`), desiredState: "shutdown" })));
    own.applied();
    await side.pass(DRAIN_MS + 100);
    expect(own.of("drained")).toHaveLength(1);
    expect([...own.drained].sort()).toEqual(["web-3", "web-4", "web-5"]);
  });
});

describe("a node that does not answer", () => {
  test("holds a task for a few seconds and no longer", async () => {
    const [own] = [await side.join("node-1"), await joinSlow("node-2")];
    await stop("web-1");
    await side.pass(DRAIN_MS - 100);
    expect(own.drained).toEqual([]);
    await side.pass(200);
    expect(own.drained).toEqual(["web-1"]);
  });

  test("is waited for while it may be on its way back: its new session's whole set counts", async () => {
    const [own, other] = [await side.join("node-1"), await joinSlow("node-2")];
    other.stream.close();
    await turn();
    await stop("web-1");
    expect(own.drained).toEqual([]);
    const back = side.connect("node-2");
    back.isPrompt = false;
    back.hello();
    await turn();
    expect(own.drained).toEqual([]);
    back.applied();
    await turn();
    expect(own.drained).toEqual(["web-1"]);
  });

  test("is waited for again when its session changes in the middle", async () => {
    const [own, other] = [await side.join("node-1"), await joinSlow("node-2")];
    await stop("web-1");
    const newer = side.connect("node-2");
    newer.isPrompt = false;
    await turn();
    other.applied();
    await turn();
    expect(own.drained).toEqual([]);
    newer.hello();
    await turn();
    newer.applied();
    await turn();
    expect(own.drained).toEqual(["web-1"]);
  });

  test("and is down, or gone, is not waited for", async () => {
    const [own] = [await side.join("node-1"), await joinSlow("node-2")];
    await stop("web-1");
    await side.pass(1_000);
    const node = side.store.view.get("node", "node-2")!;
    await change(put("node", { ...node, status: { ...node.status, state: "down" } }));
    expect(own.drained).toEqual(["web-1"]);
    expect(DRAIN_MS).toBeLessThan(HEARTBEAT_MS * 3);
  });
});

test("a task's node that comes back in the middle is told all the same", async () => {
  const [own] = [await side.join("node-1"), await side.join("node-2")];
  own.stream.close();
  await turn();
  await stop("web-1");
  await side.pass(DRAIN_MS + 100);
  const back = await side.join("node-1");
  await turn();
  expect(back.drained).toEqual(["web-1"]);
});

test("a manager that begins in the middle goes on where the last one was", async () => {
  await side.join("node-1");
  await stop("web-1");
  await side.close();
  side = await startManager(side.clock);
  side.dispatcher.catchUp();
  const own = await side.join("node-1");
  await turn();
  expect(own.drained).toEqual([]);
  await side.join("node-2");
  await turn();
  expect(own.drained).toEqual(["web-1"]);
});

test("a successor is an endpoint before its predecessor is none, on every node", async () => {
  const agents = [await side.join("node-1"), await side.join("node-2")];
  await change(put("task", unsaved(running(3, "node-2"))));
  await stop("web-1");
  for (const agent of agents) {
    const keys = agent.of("assignments").map((m) => [...m.upserts.map(({ key }) => key), ...m.removals]);
    const came = keys.findIndex((set) => set.includes("endpoint/web-3"));
    const left = keys.findIndex((set, i) => i > 0 && set.includes("endpoint/web-1"));
    expect(came).toBeGreaterThan(0);
    expect(left).toBeGreaterThan(came);
  }
});

/** What may happen at a node. "early": its kernel works by the set before the last one. */
const STEPS = ["answer", "early", "leave", "join", "commit", "wait", "stop"] as const;

test("whatever happens, a task is told drained only when no node that is up still sends to it, or after its time", async () => {
  const step = fc.record({ what: fc.constantFrom(...STEPS), node: fc.constantFrom(0, 1) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await side.close();
      backend = new MemoryBackend();
      side = await startManager(new FakeClock(T0));
      await side.store.update(world());
      const agents = [await joinSlow("node-1"), await joinSlow("node-2")];
      const everybody = [...agents];
      /** Whether the kernels of the two nodes send to the task. */
      const sends = [true, true];
      let began: number | undefined;
      /** What kernels work by: they do not go back. */
      const worksBy = new Map<PlayedAgent, number>();
      const answer = (agent: PlayedAgent, node: number, sequence: number) => {
        if (agent.ended !== undefined || sequence < 1) return;
        const kernel = Math.max(sequence, worksBy.get(agent) ?? 0);
        worksBy.set(agent, kernel);
        sends[node] = hasEndpoint(agent, kernel);
        agent.applied(sequence);
      };
      const does: Record<(typeof STEPS)[number], (agent: PlayedAgent, node: number) => unknown> = {
        answer: (agent, node) => answer(agent, node, agent.sequence),
        early: (agent, node) => answer(agent, node, agent.sequence - 1),
        leave: (agent) => agent.stream.close(),
        join(_agent, node) {
          const joined = side.connect(`node-${node + 1}`);
          joined.isPrompt = false;
          joined.hello();
          agents[node] = joined;
          everybody.push(joined);
        },
        commit: () => change(put("node", bumped("node-3")), put("service", bumpedService())),
        wait: () => side.pass(500),
        stop() {
          began ??= side.clock.now();
          return stop("web-1");
        },
      };
      for (const { what, node } of steps) {
        await does[what](agents[node]!, node);
        await turn();
        const isLate = began !== undefined && side.clock.now() - began >= DRAIN_MS;
        const isTold = everybody.some(({ drained }) => drained.length > 0);
        if (isTold) expect(isLate || sends.every((does) => !does)).toBe(true);
      }
      // And it is told in the end, whatever happened.
      await stop("web-1");
      await side.pass(DRAIN_MS + 100);
      everybody.push(await side.join("node-1"));
      await side.pass(DRAIN_MS + 100);
      expect(everybody.flatMap(({ drained }) => drained)).toContain("web-1");
    }),
    { numRuns: 150 },
  );
});

/** Whether the task was an endpoint in that set of the session. */
function hasEndpoint(agent: PlayedAgent, sequence: number): boolean {
  let has = false;
  for (const { complete, resultsIn, upserts, removals } of agent.of("assignments")) {
    if (resultsIn > sequence) break;
    const isUpserted = upserts.some(({ key }) => key === "endpoint/web-1");
    has = isUpserted || (has && !complete && !removals.includes("endpoint/web-1"));
  }
  return has;
}

function bumped(id: string): Node {
  const node = side.store.view.get("node", id)!;
  return { ...node, status: { ...node.status, message: `${node.version}` } };
}

function bumpedService(): typeof web {
  const service = side.store.view.get("service", web.id)!;
  const aliases = [`a${service.version}`];
  const task = { ...service.spec.task, networks: [{ target: "net-front", aliases }] };
  return { ...service, spec: { ...service.spec, task } };
}
