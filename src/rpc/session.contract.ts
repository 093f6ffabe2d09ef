import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, messageOf } from "../lib/index.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";
import type { AgentStream, DispatcherService, PeerAddress, PeerIdentity, SessionStream } from "./services.ts";

/** A way to open sessions of the worker "node-1" with a dispatcher. */
export interface SessionHarness {
  connect(signal?: AbortSignal): Promise<AgentStream>;
  stop(): Promise<void>;
}

/** A session as the manager sees it. */
interface Served {
  readonly peer: PeerIdentity & PeerAddress;
  readonly stream: SessionStream;
  readonly signal: AbortSignal;
  readonly heard: AgentMessage[];
  /** Settles when the messages have ended: with undefined, or with what was thrown. */
  readonly ended: Promise<unknown>;
}

/** What any transport of sessions must do. */
export function sessionContract(name: string, make: (d: DispatcherService) => Promise<SessionHarness>): void {
  describe(`sessions: ${name}`, () => {
    const served: Served[] = [];
    let failWith: Fault | undefined;
    let harness: SessionHarness;

    const dispatcher: DispatcherService = {
      async session(peer, stream, signal) {
        if (failWith !== undefined) throw failWith;
        const heard: AgentMessage[] = [];
        const ended = (async () => {
          try {
            for await (const message of stream.messages) heard.push(message);
            return undefined;
          } catch (error) {
            return error;
          }
        })();
        served.push({ peer, stream, signal, heard, ended });
        await ended;
      },
      beat: () => 1,
    };

    beforeEach(async () => {
      served.length = 0;
      failWith = undefined;
      harness = await make(dispatcher);
    });
    afterEach(() => harness.stop());

    /** An agent's end and the manager's end of one session. */
    async function open(signal?: AbortSignal): Promise<[AgentStream, Served]> {
      const before = served.length;
      const agent = await harness.connect(signal);
      await expect.poll(() => served.length).toBe(before + 1);
      return [agent, served[before]!];
    }

    test("the manager knows who calls, from where", async () => {
      const [agent, manager] = await open();
      expect(manager.peer).toMatchObject({ nodeId: "node-1", role: "worker", address: "127.0.0.1" });
      expect(manager.peer.clusterId).not.toBe("");
      agent.close();
    });

    test("messages arrive both ways, in order, whole", async () => {
      const [agent, { stream, heard, ended }] = await open();
      const fromAgent = Array.from(
        { length: 500 },
        (_, i): AgentMessage => ({
          kind: "logs-done",
          subscriptionId: `s${i}`,
          error: i % 2 === 0 ? "" : "ü — 字 😀",
        }),
      );
      const fromManager = Array.from(
        { length: 500 },
        (_, i): ManagerMessage => ({
          kind: "assignments",
          complete: i === 0,
          appliesTo: i,
          resultsIn: i + 1,
          upserts: [{ key: `task/${i}`, json: `{"id":"${i}"}` }],
          removals: i % 3 === 0 ? [] : [`task/${i - 1}`],
        }),
      );
      for (const message of fromAgent) agent.send(message);
      for (const message of fromManager) stream.send(message);
      expect(await take(agent, 500)).toEqual(fromManager);
      agent.close();
      expect(await ended).toBeUndefined();
      expect(heard).toEqual(fromAgent);
    });

    test("a message of a megabyte arrives", async () => {
      const [agent, { stream }] = await open();
      const json = JSON.stringify("x".repeat(1_000_000));
      const message: ManagerMessage = {
        kind: "assignments",
        ...{ complete: true, appliesTo: 0, resultsIn: 1, removals: [] },
        upserts: [{ key: "task/1", json }],
      };
      stream.send(message);
      expect(await take(agent, 1)).toEqual([message]);
      agent.close();
    });

    test("what the agent sent before it closed arrives, then the manager's messages end", async () => {
      const [agent, { heard, ended, signal }] = await open();
      for (let i = 0; i < 50; i++) agent.send({ kind: "applied", sequence: 1 });
      agent.close();
      agent.send({ kind: "logs-done", subscriptionId: "late", error: "" });
      expect(await ended).toBeUndefined();
      expect(heard).toHaveLength(50);
      await expect.poll(() => signal.aborted).toBe(true);
      expect(await drain(agent)).toEqual([[], undefined]);
    });

    test("what the manager sent before it closed arrives, then the reason", async () => {
      const [agent, { stream, ended, signal }] = await open();
      for (let i = 0; i < 50; i++) stream.send({ kind: "log-taken", subscriptionId: "s", batches: i });
      stream.send({ kind: "leave", reason: "this node was removed from the swarm" });
      stream.close("this node was removed from the swarm");
      stream.send({ kind: "log-cancel", subscriptionId: "s" });
      const [heard, error] = await drain(agent);
      expect(heard).toHaveLength(51);
      expect(error).toBeInstanceOf(Fault);
      expect(error).toMatchObject({ kind: "unavailable", message: "this node was removed from the swarm" });
      expect(await ended).toBeUndefined();
      await expect.poll(() => signal.aborted).toBe(true);
      agent.close();
    });

    test("closing twice is closing once", async () => {
      const [agent, { stream, ended }] = await open();
      stream.close("one");
      stream.close("two");
      expect((await drain(agent))[1]).toMatchObject({ message: "one" });
      agent.close();
      agent.close();
      expect(await ended).toBeUndefined();
    });

    test("the agent's signal ends the session", async () => {
      const stop = new AbortController();
      const [agent, { heard, ended }] = await open(stop.signal);
      agent.send({ kind: "applied", sequence: 1 });
      const reading = drain(agent);
      stop.abort(new Error("the node stops"));
      expect(await reading).toEqual([[], undefined]);
      expect(await ended).toBeUndefined();
      expect(heard).toEqual([{ kind: "applied", sequence: 1 }]);
    });

    test("a dispatcher's fault reaches the agent with its kind and words", async () => {
      failWith = new Fault("forbidden", "node node-1 is not part of this cluster any more: 100 % gone");
      const error = await harness.connect().then(
        async (agent) => (await drain(agent))[1],
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ kind: "forbidden", message: failWith.message });
    });

    test("an agent that says what no agent says is cut off, and told why", async () => {
      const [agent, { ended }] = await open();
      const status = { at: 1, state: "flying" as never, message: "" };
      agent.send({ kind: "statuses", statuses: [{ taskId: "t", status }] });
      const [, error] = await drain(agent);
      expect(error).toMatchObject({ kind: "invalid" });
      expect(messageOf(error)).toContain("status.state is not one of");
      expect(await ended).toMatchObject({ kind: "invalid" });
      agent.close();
    });

    test("sessions are apart: one ends, the other goes on", async () => {
      const [first, one] = await open();
      const [second, two] = await open();
      one.stream.close("a newer session of this node took over");
      expect((await drain(first))[1]).toMatchObject({ kind: "unavailable" });
      two.stream.send({ kind: "drained", taskIds: ["t"] });
      expect(await take(second, 1)).toEqual([{ kind: "drained", taskIds: ["t"] }]);
      first.close();
      second.close();
    });

    test("a manager that reads slowly loses nothing", async () => {
      const [agent, { heard, ended }] = await open();
      const line = { taskId: "t", at: 1n, stream: "stdout", line: new Uint8Array(1000) } as const;
      for (let i = 0; i < 2_000; i++) {
        agent.send({ kind: "log-lines", subscriptionId: `${i}`, lines: [line] });
      }
      agent.close();
      expect(await ended).toBeUndefined();
      expect(heard).toHaveLength(2_000);
    });
  });
}

/** The first n messages; leaves the session open. */
async function take(agent: AgentStream, n: number): Promise<ManagerMessage[]> {
  const messages: ManagerMessage[] = [];
  for await (const message of agent.messages) {
    messages.push(message);
    if (messages.length === n) break;
  }
  return messages;
}

/** All messages until the end, and what ended them. */
async function drain(agent: AgentStream): Promise<[ManagerMessage[], unknown]> {
  const messages: ManagerMessage[] = [];
  try {
    for await (const message of agent.messages) messages.push(message);
    return [messages, undefined];
  } catch (error) {
    return [messages, error];
  }
}
