import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServedNode } from "../src/api/served-node.fake.ts";
import { EventHub } from "../src/daemon/event-hub.ts";
import { FakeClock } from "../src/lib/index.ts";

/* A client that never reads: what waits for it is bounded, it is cut off with a word, and nobody else notices. */

let clock: FakeClock;
let hub: EventHub;
let node: ServedNode;

beforeEach(async () => {
  clock = new FakeClock();
  node = await ServedNode.start(clock);
  hub = new EventHub(clock);
  Object.assign(node.backends, { events: hub });
});
afterEach(() => node[Symbol.asyncDispose]());

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** A connection whose stream of events has begun. */
async function listen(): Promise<Socket> {
  const socket = await node.connect();
  socket.on("error", () => undefined);
  socket.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  return socket;
}

const event = (n: number) =>
  ({
    type: "volume",
    action: "create",
    scope: "local",
    actor: `v${n}`,
    attributes: { pad: "x".repeat(200) },
  }) as const;

/** Tells so many events, no faster than the reader takes them. */
async function tell(count: number, isTaken: (n: number) => boolean): Promise<number> {
  let most = 0;
  for (let n = 1; n <= count; n++) {
    hub.publish(event(n));
    most = Math.max(most, hub.waiting);
    if (n % 500 === 0) await until(() => isTaken(n));
  }
  return most;
}

test("one who never reads events is cut off, however many there are, and others hear all", async () => {
  const deaf = await listen();
  const reader = await listen();
  let text = "";
  reader.on("data", (chunk) => {
    text += String(chunk);
  });
  reader.resume();
  const heard = (n: number) => text.includes(`"v${n}"`);
  const most = await tell(20_000, heard);
  expect(most, "what waits is bounded").toBeLessThan(11_000);
  expect(text.match(/"Action":"create"/g)?.length).toBe(20_000);

  const closed = once(deaf, "end");
  await clock.advance(60_000);
  deaf.resume();
  await closed;
  await until(() => hub.waiting === 0);
  hub.publish(event(20_001));
  await until(() => heard(20_001));
  reader.destroy();
});

test("one who reads again before he is cut off gets what waited, the reason, and no proper end", async () => {
  const slow = await listen();
  const reader = await listen();
  let last = "";
  reader.on("data", (chunk) => {
    last = last.slice(-1000) + String(chunk);
  });
  reader.resume();
  await tell(15_000, (n) => last.includes(`"v${n}"`));
  let text = "";
  slow.on("data", (chunk) => {
    text += String(chunk);
  });
  slow.resume();
  await once(slow, "end");
  const found = text.match(/"ID":"v\d+"/g) ?? [];
  expect(found, "no gap before the end").toEqual(found.map((_, i) => `"ID":"v${i + 1}"`));
  expect(found.length).toBeGreaterThan(9_000);
  expect(text).toMatch(/"Type":"daemon","Action":"cut".*the reader fell behind by more than 10000/);
  expect(text.endsWith("0\r\n\r\n"), "the stream breaks off").toBe(false);
  reader.destroy();
});
