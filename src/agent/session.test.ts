import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, Queue, seededRandom, silentLog } from "../lib/index.ts";
import type { AgentMessage, AgentStream, BeatSession, ManagerMessage } from "../rpc/index.ts";
import { ManagerSession, type SessionParts } from "./session.ts";

/** A session's life against managers that a test plays. */

interface Played {
  readonly address: string;
  readonly sent: AgentMessage[];
  readonly says: Queue<ManagerMessage>;
  closed: boolean;
}

let clock: FakeClock;
let stop: AbortController;
let sessions: Played[];
let handled: ManagerMessage["kind"][];
let followed: (BeatSession | undefined)[];
let answers: ((message: AgentMessage) => void)[];
let answering: boolean;

beforeEach(() => {
  clock = new FakeClock();
  stop = new AbortController();
  sessions = [];
  handled = [];
  answers = [];
  followed = [];
  answering = true;
});

afterEach(async () => {
  stop.abort();
  await clock.advance(0);
});

function open(managers: readonly string[], statuses: SessionParts["statuses"] = () => []): ManagerSession {
  const session = new ManagerSession(
    {
      async connect(address): Promise<AgentStream> {
        const played: Played = { address, sent: [], says: new Queue(), closed: false };
        sessions.push(played);
        if (!answering) throw new Error("nobody listens");
        return {
          send: (message) => void played.sent.push(message),
          messages: played.says,
          close() {
            played.closed = true;
            played.says.close();
          },
        };
      },
      describe: () => ({
        ...{
          hostname: "h",
          platform: { architecture: "x86_64", os: "linux" },
          engineVersion: "0",
          plugins: [],
        },
        ...{ resources: { nanoCpus: 1, memoryBytes: 1, generic: [] }, engineLabels: {} },
      }),
      statuses,
      guests: () => ({ kind: "guests", complete: true, wishes: [] }),
      handle(message, { answer }) {
        handled.push(message.kind);
        answers.push(answer);
      },
      heart: { follow: (session) => void followed.push(session) },
      advertiseAddress: "192.0.2.1",
      dataPathAddress: "192.0.2.2",
      tunnelEnd: () => ({ boot: "b1", lack: "" }),
      ...{ clock, random: seededRandom(1), log: silentLog },
    },
    managers,
  );
  void session.run(stop.signal);
  return session;
}

const welcome = (heartbeatPeriodMs: number, managers: readonly string[] = []): ManagerMessage => ({
  ...{ kind: "welcome", sessionId: "s", heartbeatPeriodMs, managers },
  cluster: { id: "c", dataPathPort: 4789 },
});

const kinds = (played: Played | undefined) => played?.sent.map((message) => message.kind);

test("a session begins with who the node is and all it knows of its tasks", async () => {
  const status = { at: 1, state: "running", message: "started" } as const;
  open(["a:2377"], () => [{ taskId: "t", status }]);
  await clock.advance(0);
  expect(sessions[0]?.sent).toMatchObject([
    { kind: "hello", dataPathAddress: "192.0.2.2", tunnelEnd: { boot: "b1", lack: "" } },
    { kind: "statuses", statuses: [{ taskId: "t", status }] },
    { kind: "guests", complete: true },
  ]);
});

test("the heart beats for the session once it is welcomed, and for none when it is lost", async () => {
  open(["a:2377"]);
  await clock.advance(0);
  expect(followed).toEqual([]);
  sessions[0]?.says.push(welcome(1_000));
  await clock.advance(0);
  expect(followed).toEqual([{ address: "a:2377", sessionId: "s", periodMs: 1_000 }]);
  sessions[0]?.says.close();
  await clock.advance(0);
  expect(followed.slice(1)).toEqual([undefined]);
});

test("what becomes of a task before a manager has welcomed the node is not lost: it follows what was told first", async () => {
  const session = open(["a:2377"]);
  await clock.advance(0);
  session.send({ kind: "statuses", statuses: [] });
  expect(kinds(sessions[0])).toEqual(["hello", "guests", "statuses"]);
});

test("nothing else is sent before a manager has welcomed the node, all messages are handed on in order", async () => {
  const session = open(["a:2377"]);
  await clock.advance(0);
  session.send({ kind: "logs-done", subscriptionId: "y", error: "" });
  sessions[0]?.says.push(welcome(5_000));
  sessions[0]?.says.push({ kind: "log-cancel", subscriptionId: "x" });
  await clock.advance(0);
  session.send({ kind: "statuses", statuses: [] });
  expect(kinds(sessions[0])).toEqual(["hello", "guests", "statuses"]);
  expect(handled).toEqual(["welcome", "log-cancel"]);
});

test("an answer goes to the session that the question came in, though another is there by then", async () => {
  open(["a:2377"]);
  await clock.advance(0);
  sessions[0]?.says.push(welcome(5_000));
  await clock.advance(0);
  sessions[0]?.says.close();
  await clock.advance(200);
  sessions[1]?.says.push(welcome(5_000));
  await clock.advance(0);
  answers[0]?.({ kind: "applied", sequence: 7 });
  expect(kinds(sessions[0])).toContain("applied");
  expect(kinds(sessions[1])).not.toContain("applied");
});

test("a lost session is followed by one with the next manager, of those that the last one named", async () => {
  const session = open(["a:2377"]);
  await clock.advance(0);
  sessions[0]?.says.push(welcome(5_000, ["b:2377", "c:2377"]));
  await clock.advance(0);
  sessions[0]?.says.close();
  await clock.advance(200);
  expect(sessions.map((s) => s.address)).toEqual(["a:2377", "c:2377"]);
  expect(sessions[0]?.closed).toBe(true);
  expect(session.managers).toEqual(["b:2377", "c:2377"]);
});

test("managers that do not answer are asked ever more rarely, at least every 8 s", async () => {
  answering = false;
  open(["a:2377"]);
  await clock.advance(1_000);
  const early = sessions.length;
  expect(early).toBeGreaterThan(1);
  await clock.advance(80_000);
  const before = sessions.length;
  await clock.advance(80_000);
  const late = sessions.length - before;
  expect(late).toBeGreaterThanOrEqual(10);
  expect(late).toBeLessThan(early * 80);
});

test("the end of the agent ends the session, and no other begins", async () => {
  open(["a:2377"]);
  await clock.advance(0);
  sessions[0]?.says.push(welcome(5_000));
  await clock.advance(0);
  stop.abort();
  sessions[0]?.says.close();
  await clock.advance(60_000);
  expect(sessions.length).toBe(1);
  expect(sessions[0]?.closed).toBe(true);
});
