import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import { put, type Task } from "../model/index.ts";
import { aCluster, aNode, aRunning, aService, T0 } from "../model/objects.fake.ts";
import { LOG_WINDOW, type LogRequest } from "../rpc/index.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { AgentSide, type PlayedAgent, turn } from "./agents.fake.ts";
import type { LogOptions, LogSelector, ServiceLogLine } from "./log-subscription.ts";

const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const web = aService("web");
const ALL: LogOptions = { follow: false, stdout: true, stderr: true };
const FOLLOW: LogOptions = { ...ALL, follow: true, tail: 10 };
const ofWeb: LogSelector = { serviceId: web.id };

let store: Store;
let side: AgentSide;

beforeEach(async () => {
  const clock = new FakeClock(T0);
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  side = new AgentSide(store, clock, seededRandom(1));
  const nodes = ["node-1", "node-2"].map((id) => put("node", unsaved(aNode(id))));
  await store.update([put("cluster", unsaved(aCluster())), put("service", unsaved(web)), ...nodes]);
});
afterEach(() => side.close());

async function place(slot: number, nodeId: string): Promise<Task> {
  const task = aRunning(web, slot, nodeId);
  await store.update([put("task", unsaved(task))]);
  await turn();
  return task;
}

/** A reader that reads all there is. */
interface Reader {
  readonly lines: ServiceLogLine[];
  readonly texts: () => string[];
  readonly result: Promise<string[]>;
  stop(): void;
}

function read(selector: LogSelector, options: LogOptions): Reader {
  const stop = new AbortController();
  const lines: ServiceLogLine[] = [];
  const generator = side.logs.subscribe(selector, options, stop.signal);
  const result = (async () => {
    for (;;) {
      const next = await generator.next();
      if (next.done) return next.value;
      lines.push(next.value);
    }
  })();
  return {
    lines,
    texts: () => lines.map((line) => new TextDecoder().decode(line.line)),
    result,
    stop: () => stop.abort(new Error("the reader left")),
  };
}

function request(agent: PlayedAgent, n = -1): LogRequest {
  const found = agent.of("log-request").at(n);
  if (found === undefined) throw new Error("nothing was asked");
  return found;
}

function say(
  agent: PlayedAgent,
  { subscriptionId }: LogRequest,
  taskId: string,
  at: number,
  text: string,
): void {
  const line = new TextEncoder().encode(text);
  agent.send({
    kind: "log-lines",
    subscriptionId,
    lines: [{ taskId, at: BigInt(at), stream: "stdout", line }],
  });
}

const done = (agent: PlayedAgent, { subscriptionId }: LogRequest, error = ""): void =>
  agent.send({ kind: "logs-done", subscriptionId, error });

describe("logs of a service", () => {
  test("come from every node that has its tasks, and end when all have sent theirs", async () => {
    for (const [slot, node] of [[1, "node-1"] as const, [2, "node-2"] as const, [3, "node-1"] as const]) {
      await place(slot, node);
    }
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read(ofWeb, { ...ALL, tail: 5, since: 7n });
    await turn();
    expect(request(one)).toMatchObject({ taskIds: ["web-1", "web-3"], tail: 5, since: 7n, follow: false });
    expect(request(two)).toMatchObject({ taskIds: ["web-2"] });
    say(one, request(one), "web-1", 10, "a");
    say(two, request(two), "web-2", 11, "b");
    done(one, request(one));
    await turn();
    say(two, request(two), "web-2", 12, "c");
    done(two, request(two));
    expect(await reader.result).toEqual([]);
    expect(reader.texts().sort()).toEqual(["a", "b", "c"]);
    expect(reader.lines.find((line) => line.taskId === "web-2")).toMatchObject({
      nodeId: "node-2",
      serviceId: web.id,
      stream: "stdout",
    });
    expect([...one.of("log-cancel"), ...two.of("log-cancel")]).toEqual([]);
  });

  test("end at once when it has no tasks", async () => {
    expect(await read(ofWeb, ALL).result).toEqual([]);
  });

  test("of one task are asked of its node alone", async () => {
    await place(1, "node-1");
    await place(2, "node-2");
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read({ taskId: "web-2" }, ALL);
    await turn();
    expect(one.of("log-request")).toEqual([]);
    done(two, request(two));
    expect(await reader.result).toEqual([]);
  });

  test("name the nodes that are not there, that went away, and that failed", async () => {
    await place(1, "node-1");
    await place(2, "node-2");
    await place(3, "node-3");
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read(ofWeb, ALL);
    await turn();
    done(one, request(one), "cannot read the log: no such file");
    say(two, request(two), "web-2", 1, "last words");
    await turn();
    two.stream.close();
    expect((await reader.result).sort()).toEqual([
      "node node-1 cannot read the log: no such file",
      "node node-2 is not available",
      "node node-3 is not available",
    ]);
    expect(reader.texts()).toEqual(["last words"]);
  });

  test("hold only what a node says of its own tasks that were asked for", async () => {
    const other = aService("other");
    await store.update([put("task", unsaved(aRunning(other, 1, "node-1")))]);
    await place(1, "node-1");
    await place(2, "node-2");
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read(ofWeb, ALL);
    await turn();
    say(one, request(one), "web-2", 1, "forged");
    say(one, request(one), "web-9", 1, "made up");
    say(one, request(one), "other-1", 1, "not asked for");
    say(one, request(one), "web-1", 1, "true");
    say(one, { ...request(one), subscriptionId: "none" }, "web-1", 1, "of no subscription");
    done(one, request(one));
    done(two, request(two));
    await reader.result;
    expect(reader.texts()).toEqual(["true"]);
  });
});

describe("following", () => {
  test("takes in new tasks, until the reader leaves; then the nodes are told", async () => {
    await place(1, "node-1");
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read(ofWeb, FOLLOW);
    await turn();
    expect(request(one)).toMatchObject({ follow: true, tail: 10, taskIds: ["web-1"] });
    await place(2, "node-2");
    expect(request(two)).toMatchObject({ taskIds: ["web-2"] });
    say(two, request(two), "web-2", 1, "hello");
    await turn();
    expect(reader.texts()).toEqual(["hello"]);
    reader.stop();
    await reader.result;
    await turn();
    expect(one.of("log-cancel")).toEqual([
      { kind: "log-cancel", subscriptionId: request(one).subscriptionId },
    ]);
    expect(two.of("log-cancel")).toHaveLength(1);
    await place(3, "node-1");
    expect(one.of("log-request")).toHaveLength(1);
  });

  test("asks about a new task once it has a container, not earlier", async () => {
    const one = await side.join("node-1");
    const reader = read(ofWeb, FOLLOW);
    await turn();
    const task = aRunning(web, 1, "node-1", { status: { at: T0, state: "preparing", message: "preparing" } });
    await store.update([put("task", unsaved(task))]);
    await turn();
    expect(one.of("log-request")).toEqual([]);
    const stored = store.view.get("task", task.id) ?? task;
    await store.update([put("task", { ...stored, status: { ...task.status, state: "starting" } })]);
    await turn();
    expect(one.of("log-request").map((r) => r.taskIds)).toEqual([[task.id]]);
    reader.stop();
    await reader.result;
  });

  test("goes on where it was when a node comes back, without asking the other again", async () => {
    await place(1, "node-1");
    await place(2, "node-1");
    await place(3, "node-2");
    const [one, two] = [await side.join("node-1"), await side.join("node-2")];
    const reader = read(ofWeb, FOLLOW);
    await turn();
    say(one, request(one), "web-1", 41, "before");
    await turn();
    one.stream.close();
    await turn();
    const again = await side.join("node-1");
    expect(again.of("log-request").map(({ taskIds, since, tail }) => ({ taskIds, since, tail }))).toEqual([
      { taskIds: ["web-1"], since: 42n, tail: undefined },
      { taskIds: ["web-2"], since: undefined, tail: 10 },
    ]);
    expect(two.of("log-request")).toHaveLength(1);
    say(again, request(again), "web-1", 42, "after");
    await turn();
    expect(reader.texts()).toEqual(["before", "after"]);
    reader.stop();
    expect(await reader.result).toEqual([]);
  });

  test("goes on when a newer session takes over from one that hangs", async () => {
    await place(1, "node-1");
    await side.join("node-1");
    const reader = read(ofWeb, FOLLOW);
    await turn();
    const newer = await side.join("node-1");
    say(newer, request(newer), "web-1", 1, "hello");
    await turn();
    expect(reader.texts()).toEqual(["hello"]);
    reader.stop();
    await reader.result;
  });

  test("asks a node that was not there when it comes", async () => {
    await place(1, "node-1");
    const reader = read(ofWeb, FOLLOW);
    await turn();
    const one = await side.join("node-1");
    say(one, request(one), "web-1", 1, "hello");
    await turn();
    expect(reader.texts()).toEqual(["hello"]);
    reader.stop();
    expect(await reader.result).toEqual([]);
  });
});

describe("a slow reader", () => {
  test("is told of nothing more than he takes; each message read lets one more come", async () => {
    await place(1, "node-1");
    const one = await side.join("node-1");
    const reader = side.logs.subscribe(ofWeb, ALL, new AbortController().signal);
    const first = reader.next();
    await turn();
    for (let i = 0; i < 4; i++) say(one, request(one), "web-1", i, `${i}`);
    await first;
    await turn();
    expect(one.of("log-taken")).toEqual([]);
    await reader.next();
    await reader.next();
    await turn();
    const { subscriptionId } = request(one);
    expect(one.of("log-taken")).toEqual(Array(2).fill({ kind: "log-taken", subscriptionId, batches: 1 }));
    await reader.return([]);
    await turn();
    expect(one.of("log-cancel")).toHaveLength(1);
  });

  test("is not buried by a node that does not wait", async () => {
    await place(1, "node-1");
    const one = await side.join("node-1");
    const reader = side.logs.subscribe(ofWeb, ALL, new AbortController().signal);
    const first = reader.next();
    await turn();
    for (let i = 0; i < 100 * LOG_WINDOW; i++) say(one, request(one), "web-1", i, `${i}`);
    done(one, request(one));
    await turn();
    let lines = (await first).done ? 0 : 1;
    for (let next = await reader.next(); ; next = await reader.next()) {
      if (next.done) {
        expect(next.value).toEqual(["node node-1 sent more than it was asked for"]);
        break;
      }
      lines += 1;
    }
    expect(lines).toBeGreaterThanOrEqual(LOG_WINDOW);
    expect(lines).toBeLessThanOrEqual(5 * LOG_WINDOW);
  });
});
