import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { VisitDesk } from "../src/agent/visit-desk.ts";
import type { NodeIdentity } from "../src/identity/index.ts";
import { FakeClock, Fault, silentLog } from "../src/lib/index.ts";
import { Visits } from "../src/manager/visits.ts";
import { type ProgramOrder, put, type StreamIo } from "../src/model/index.ts";
import { aCluster, aNode, aRunning, aService, T0 } from "../src/model/objects.fake.ts";
import { CertifiedCluster } from "../src/rpc/cluster.fake.ts";
import {
  connectVisit,
  type ManagerMessage,
  type NodeWord,
  RpcServer,
  type SessionStream,
} from "../src/rpc/index.ts";
import type { ContainerStreams, Program, ProgramIo } from "../src/runtime/program.ts";
import { MemoryBackend, openSeal, Store } from "../src/store/index.ts";
import { systemClock as clock, systemRandom as random } from "../src/sys/index.ts";

/* A manager's user at the containers of another node: both ends, over the real RPC, with programs played by the test. */

const web = aService("web");
const TASK = "web-1";
const CONTAINER = "c".repeat(64);
const never = new AbortController().signal;
const order: ProgramOrder = { args: ["cat"], env: [], tty: false, hasInput: true };
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const refuse = () => Promise.reject(new Error("not asked for here"));

/** The programs that a node was asked to run, played: "cat", "yes" that writes without end, "nosuch" that is not there. */
class Played implements Pick<ContainerStreams, "open"> {
  readonly killed: string[] = [];
  readonly sizes: unknown[] = [];
  written = 0;

  async open(id: string, { args }: { readonly args: readonly string[] }, io: ProgramIo): Promise<Program> {
    const [name = ""] = args;
    if (name === "nosuch") throw new Fault("invalid", 'exec: "nosuch": executable file not found in $PATH');
    let end: (code: number) => void = () => {};
    const died = new Promise<number>((resolve) => {
      end = resolve;
    });
    const played = name === "cat" ? this.#cat(io) : name === "yes" ? this.#yes(io, died) : died;
    return {
      pid: 4712,
      ended: Promise.race([played, died]),
      resize: async (size) => void this.sizes.push(size),
      kill: async () => {
        this.killed.push(`${name} in ${id.slice(0, 4)}`);
        end(137);
      },
    };
  }

  async #cat(io: ProgramIo): Promise<number> {
    for await (const chunk of io.input ?? []) await io.write("stdout", chunk);
    await io.write("stderr", Buffer.from("done\n"));
    return 3;
  }

  async #yes(io: ProgramIo, died: Promise<unknown>): Promise<number> {
    let isDead = false;
    void died.then(() => {
      isDead = true;
    });
    while (!isDead) {
      await io.write("stdout", Buffer.alloc(32 * 1024, "y"));
      this.written += 32 * 1024;
    }
    return 137;
  }
}

/** Who looks, and keeps what he sees. */
class Looker implements StreamIo {
  readonly seen = { stdout: "", stderr: "" };
  readonly input?: AsyncIterable<Uint8Array>;

  constructor(input?: AsyncIterable<Uint8Array>) {
    if (input !== undefined) this.input = input;
  }

  write(stream: "stdout" | "stderr", chunk: Uint8Array): undefined {
    this.seen[stream] += Buffer.from(chunk).toString();
  }
}

async function* typed(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
}

let store: Store;
let stop: AbortController;
let running: Promise<void>;
let visits: Visits;
let time: FakeClock;
let server: RpcServer;
let cluster: CertifiedCluster;
let worker: NodeIdentity;
let manager: NodeIdentity;
let played: Played;
let desk: VisitDesk;
/** What the node's session is told; by itself the node then opens the visit. */
let asked: string[];
let isPrompt: boolean;
let session: SessionStream | undefined;
const where = () => `127.0.0.1:${server.port}`;

beforeAll(async () => {
  cluster = await CertifiedCluster.create("cluster", { clock, random });
  worker = await cluster.identity("node-1", "worker");
  manager = await cluster.identity("manager-1", "manager");
});

beforeEach(async () => {
  time = new FakeClock(T0);
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock: time, log: silentLog });
  stop = new AbortController();
  running = store.run(stop.signal);
  await store.update([
    put("cluster", unsaved(aCluster())),
    ...["node-1", "node-2"].map((id) => put("node", unsaved(aNode(id)))),
    put("service", unsaved(web)),
    put("task", unsaved(aRunning(web, 1, "node-1"))),
    put(
      "task",
      unsaved({
        ...aRunning(web, 2, "node-1"),
        nodeId: undefined,
        status: { at: T0, state: "pending", message: "" },
      } as never),
    ),
  ]);
  [asked, isPrompt] = [[], true];
  const send = (message: ManagerMessage) => {
    if (message.kind !== "visit-request") return;
    asked.push(message.visitId);
    if (isPrompt) desk.open(where(), message.visitId);
  };
  session = { send, messages: (async function* () {})(), close: () => undefined };
  visits = new Visits({
    store,
    clock: time,
    random,
    streamOf: (id) => (id === "node-1" ? session : undefined),
  });
  server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog },
    identity: manager,
    services: {
      certificates: { getRoot: refuse, issue: refuse, renew: refuse },
      dispatcher: { session: refuse, beat: () => 1 },
      visits,
    },
  });
  played = new Played();
  desk = new VisitDesk({
    ...{ clock, log: silentLog },
    containers: { streams: played as unknown as ContainerStreams },
    containerOf: (taskId) => (taskId === TASK ? CONTAINER : undefined),
    visits: {
      connect: (address, visitId, signal) =>
        connectVisit({ address, identity: worker, clock }, visitId, signal),
      look: async (id) => ({ status: "running", isPaused: false, json: JSON.stringify({ Id: id }) }),
      processes: async (_, args) => ({ titles: ["PID"], processes: [[args]] }),
    },
  });
});
afterEach(async () => {
  await desk.close();
  await server.close();
  stop.abort(new Error("the test is over"));
  await running;
});

describe("a user of a manager, at a container of another node", () => {
  test("sees how it is and what runs there", async () => {
    expect(await visits.look(TASK, never)).toMatchObject({
      status: "running",
      json: `{"Id":"${CONTAINER}"}`,
    });
    expect(await visits.processes(TASK, "-ef", never)).toMatchObject({
      titles: ["PID"],
      processes: [["-ef"]],
    });
    expect(new Set(asked).size).toBe(2);
  });

  test("runs a program: its input to its end, both outputs, its exit code", async () => {
    const looker = new Looker(typed("a", "b\n"));
    const program = await visits.run(TASK, order, { io: looker, signal: never });
    expect(program.pid).toBe(4712);
    expect(await program.ended).toBe(3);
    expect(looker.seen).toEqual({ stdout: "ab\n", stderr: "done\n" });
    expect(played.killed).toEqual([]);
  });

  test("many megabytes come through as they went in, both ways", async () => {
    const piece = Buffer.alloc(64 * 1024, "0123456789abcdef");
    const input = (async function* () {
      for (let i = 0; i < 160; i++) yield piece;
    })();
    let bytes = 0;
    const write = (_: string, chunk: Uint8Array) => {
      bytes += chunk.length;
      return undefined;
    };
    const io = { input, write };
    const program = await visits.run(TASK, order, { io, signal: never });
    expect(await program.ended).toBe(3);
    expect(bytes).toBe(160 * piece.length + "done\n".length);
  });

  test("says how large the terminal is, to a program without input as well", async () => {
    const leave = new AbortController();
    const wish = { ...order, args: ["top"], hasInput: false };
    const program = await visits.run(TASK, wish, { io: new Looker(), signal: leave.signal });
    await program.resize({ rows: 24, columns: 80 });
    await expect.poll(() => played.sizes).toEqual([{ rows: 24, columns: 80 }]);
    leave.abort(new Error("left"));
  });

  test("hears why a program cannot run, in runc's words, and that the node has no such task", async () => {
    const run = (wish: ProgramOrder) => visits.run(TASK, wish, { io: new Looker(), signal: never });
    await expect(run({ ...order, args: ["nosuch"] })).rejects.toMatchObject({
      kind: "invalid",
      message: 'exec: "nosuch": executable file not found in $PATH',
    });
    await store.update([put("task", unsaved(aRunning(web, 3, "node-1")))]);
    await expect(visits.look("web-3", never)).rejects.toMatchObject({ kind: "not-found" });
  });

  test("hears why there is nobody to ask: no such task, none that runs, a node that is away or does not come", async () => {
    await expect(visits.look("nosuch", never)).rejects.toMatchObject({ kind: "not-found" });
    await expect(visits.look("web-2", never)).rejects.toMatchObject({
      kind: "conflict",
      message: "task web.2.web-2 is not running: it is pending",
    });
    isPrompt = false;
    const late = visits.look(TASK, never);
    late.catch(() => undefined);
    await time.advance(10_000);
    await expect(late).rejects.toMatchObject({
      message: "cannot reach the container of task web.1.web-1: node node-1 does not answer",
    });
    session = undefined;
    await expect(visits.look(TASK, never)).rejects.toMatchObject({
      kind: "unavailable",
      message: "cannot reach the container of task web.1.web-1: node node-1 is not available",
    });
  });
});

describe("a program ends with its visit", () => {
  const sleep = { ...order, args: ["sleep"] };

  test("when its user leaves", async () => {
    const leave = new AbortController();
    const program = await visits.run(TASK, sleep, { io: new Looker(silence()), signal: leave.signal });
    program.ended.catch(() => undefined);
    leave.abort(new Error("left"));
    await expect.poll(() => played.killed).toEqual(["sleep in cccc"]);
  });

  test("when the manager is lost", async () => {
    const program = await visits.run(TASK, sleep, { io: new Looker(), signal: never });
    const ended = program.ended.catch((error: unknown) => error);
    visits.close();
    await server.close();
    await expect.poll(() => played.killed).toEqual(["sleep in cccc"]);
    expect(await ended).toMatchObject({ kind: "unavailable" });
  });

  test("when the node's agent stops; its user hears that the node is lost", async () => {
    const program = await visits.run(TASK, sleep, { io: new Looker(), signal: never });
    const ended = program.ended.catch((error: unknown) => error);
    await desk.close();
    expect(played.killed).toEqual(["sleep in cccc"]);
    expect(await ended).toMatchObject({ kind: "unavailable", message: "the connection to the node is lost" });
  });

  test("when it was begun while its user left", async () => {
    const leave = new AbortController();
    const running = visits.run(TASK, sleep, { io: new Looker(), signal: leave.signal });
    running.catch(() => undefined);
    await expect.poll(() => asked).toHaveLength(1);
    leave.abort(new Error("left"));
    await expect(running).rejects.toThrow();
    await desk.close();
    expect(played.killed.length).toBeLessThanOrEqual(1);
  });

  test("but not one that nobody looks at", async () => {
    const program = await visits.run(TASK, { ...sleep, hasInput: false }, { io: new Looker() });
    visits.close();
    await expect(program.ended).rejects.toThrow();
    expect(played.killed).toEqual([]);
  });
});

test("a program writes no more than a little ahead of who reads it", async () => {
  const [leave, chunks] = [new AbortController(), [] as number[]];
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const io = {
    write: async (_: string, chunk: Uint8Array) => {
      chunks.push(chunk.length);
      await held;
    },
  };
  const program = await visits.run(TASK, { ...order, args: ["yes"] }, { io, signal: leave.signal });
  program.ended.catch(() => undefined);
  let before = -1;
  await expect
    .poll(
      () => {
        const isStill = played.written === before;
        before = played.written;
        return isStill && before > 0;
      },
      { interval: 300 },
    )
    .toBe(true);
  expect(chunks).toHaveLength(1);
  expect(played.written).toBeLessThan(8 * 2 ** 20);
  goOn();
  const { written } = played;
  await expect.poll(() => played.written).toBeGreaterThan(written + 2 ** 20);
  leave.abort(new Error("left"));
});

describe("only the node that was asked opens a visit, and only once", () => {
  /** What becomes of a visit that this node opens by this id. */
  async function intrude(nodeId: string, visitId: string, ...words: NodeWord[]): Promise<unknown> {
    const identity = await cluster.identity(nodeId, "worker");
    const stream = connectVisit({ address: where(), identity, clock }, visitId, never);
    for (const said of words) void stream.send(said);
    try {
      for await (const heard of stream.messages) return heard;
      return "nothing";
    } catch (error) {
      return error;
    } finally {
      stream.close();
    }
  }
  const turnedAway = { kind: "not-found", message: "cannot begin a visit: this node was not asked for it" };

  test("others are turned away by its id, and the one who was asked is not disturbed", async () => {
    isPrompt = false;
    const looking = visits.look(TASK, never);
    await expect.poll(() => asked).toHaveLength(1);
    expect(await intrude("node-2", asked[0]!)).toMatchObject(turnedAway);
    expect(await intrude("node-1", "guessed")).toMatchObject(turnedAway);
    desk.open(where(), asked[0]!);
    expect(await looking).toMatchObject({ status: "running" });
    expect(await intrude("node-1", asked[0]!)).toMatchObject(turnedAway);
  });

  test("what it says out of turn ends the visit, and is believed by nobody", async () => {
    isPrompt = false;
    const running = visits.run(TASK, order, { io: new Looker(), signal: never });
    running.catch(() => undefined);
    await expect.poll(() => asked).toHaveLength(1);
    void intrude("node-1", asked[0]!, { kind: "output", stream: "stdout", data: Buffer.from("lies") });
    await expect(running).rejects.toMatchObject({
      message: "cannot follow the node: it said output where started was due",
    });
  });
});
