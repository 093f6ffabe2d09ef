import { describe, expect, test } from "vitest";
import { FakeClock, Fault } from "../lib/index.ts";
import { Inbox } from "./inbox.ts";
import { MAX_WAITING_BYTES, Outbox, STALL_MS } from "./outbox.ts";

describe("outbox", () => {
  function make(weight = 1) {
    const clock = new FakeClock();
    const sent: { message: string; done: () => void }[] = [];
    const stalls: Fault[] = [];
    const outbox = new Outbox<string>({
      write: (message, done) => void sent.push({ message, done }),
      weigh: () => weight,
      onStall: (fault) => void stalls.push(fault),
      clock,
    });
    return { clock, sent, stalls, outbox };
  }

  test("a peer that takes nothing for half a minute is given up, once", async () => {
    const { clock, sent, stalls, outbox } = make();
    outbox.send("a");
    await clock.advance(STALL_MS - 1);
    expect(stalls).toEqual([]);
    await clock.advance(1);
    expect(stalls.map((fault) => fault.message)).toEqual([
      "session ended: nothing was read for 30 s at the other end",
    ]);
    outbox.send("b");
    await clock.advance(10 * STALL_MS);
    expect(sent).toHaveLength(1);
    expect(stalls).toHaveLength(1);
  });

  test("a slow peer that takes something now and then is not", async () => {
    const { clock, sent, stalls, outbox } = make();
    for (let i = 0; i < 10; i++) outbox.send(`${i}`);
    for (let i = 0; i < 10; i++) {
      await clock.advance(STALL_MS - 1);
      sent[i]!.done();
    }
    await clock.advance(10 * STALL_MS);
    expect(stalls).toEqual([]);
  });

  test("more than the bound waits for nobody", () => {
    const { sent, stalls, outbox } = make(MAX_WAITING_BYTES / 4);
    for (const message of ["a", "b", "c", "d"]) outbox.send(message);
    expect(stalls).toEqual([]);
    sent[0]!.done();
    outbox.send("e");
    expect(stalls).toEqual([]);
    outbox.send("f");
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toMatchObject({ kind: "unavailable" });
  });

  test("after close nothing is taken, but what waits must still leave in time", async () => {
    const { clock, sent, stalls, outbox } = make();
    outbox.send("a");
    outbox.close();
    outbox.send("b");
    expect(sent).toHaveLength(1);
    await clock.advance(STALL_MS);
    expect(stalls).toHaveLength(1);
  });
});

describe("inbox", () => {
  function make() {
    const flow: string[] = [];
    const inbox = new Inbox<number>({ pause: () => flow.push("pause"), resume: () => flow.push("resume") });
    return { flow, inbox };
  }

  test("a reader that lags holds the sender back until he has caught up", async () => {
    const { flow, inbox } = make();
    for (let i = 0; i < 100; i++) inbox.push(i);
    expect(flow).toEqual(["pause"]);
    const reader = inbox[Symbol.asyncIterator]();
    for (let i = 0; i < 60; i++) expect((await reader.next()).value).toBe(i);
    expect(flow).toEqual(["pause"]);
    for (let i = 60; i < 80; i++) await reader.next();
    expect(flow).toEqual(["pause", "resume"]);
  });

  test("what came before the end is read, then the failure is thrown", async () => {
    const { inbox } = make();
    inbox.push(1);
    inbox.end(new Fault("unavailable", "gone"));
    inbox.push(2);
    inbox.end(new Fault("internal", "later"));
    const reader = inbox[Symbol.asyncIterator]();
    expect(await reader.next()).toEqual({ value: 1, done: false });
    await expect(reader.next()).rejects.toMatchObject({ message: "gone" });
  });

  test("abandoned, it ends a waiting reader and lets the sender run on into nothing", async () => {
    const { flow, inbox } = make();
    const first = inbox[Symbol.asyncIterator]().next();
    inbox.abandon();
    expect(await first).toEqual({ value: undefined, done: true });
    for (let i = 0; i < 100; i++) inbox.push(i);
    expect(flow).toEqual([]);
  });
});
