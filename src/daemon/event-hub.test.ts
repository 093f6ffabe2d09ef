import { expect, test } from "vitest";
import type { EngineEvent } from "../api/index.ts";
import { FakeClock } from "../lib/index.ts";
import { EventHub } from "./event-hub.ts";

const event = (actor: string) =>
  ({ type: "image", action: "pull", scope: "local", actor, attributes: {} }) as const;

async function take(events: AsyncIterable<EngineEvent>, n: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { actor } of events) if (found.push(actor) === n) break;
  return found;
}

test("listeners hear what comes, in order, and each hears all", async () => {
  const hub = new EventHub(new FakeClock());
  const signal = new AbortController().signal;
  const both = [take(hub.subscribe(undefined, signal), 2), take(hub.subscribe(undefined, signal), 2)];
  await Promise.resolve();
  hub.publish(event("a"));
  hub.publish(event("b"));
  expect(await Promise.all(both)).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
});

test("since brings back what was kept from that instant on, at most 256", async () => {
  const clock = new FakeClock();
  const hub = new EventHub(clock);
  hub.publish(event("early"));
  await clock.advance(10);
  const since = clock.now();
  for (let i = 0; i < 300; i++) hub.publish(event(String(i)));
  const found = await take(hub.subscribe(since, new AbortController().signal), 256);
  expect(found[0]).toBe("44");
  expect(found.at(-1)).toBe("299");
});

test("probes of health are told, but not kept: they would leave no room for anything else", async () => {
  const hub = new EventHub(new FakeClock());
  const { signal } = new AbortController();
  const live = take(hub.subscribe(undefined, signal), 3);
  await Promise.resolve();
  hub.publish({ ...event("a"), type: "container", action: "start" });
  hub.publish({ ...event("b"), type: "container", action: "exec_create: true" });
  hub.publish({ ...event("c"), type: "container", action: "die" });
  expect(await live).toEqual(["a", "b", "c"]);
  expect(await take(hub.subscribe(0, signal), 2)).toEqual(["a", "c"]);
});

test("an aborted listener ends, also when nothing comes", async () => {
  const hub = new EventHub(new FakeClock());
  const stop = new AbortController();
  const taken = take(hub.subscribe(undefined, stop.signal), 1);
  await Promise.resolve();
  stop.abort();
  expect(await taken).toEqual([]);
  expect(await take(hub.subscribe(undefined, stop.signal), 1)).toEqual([]);
});

test("who does not read is let go in the end, and nobody else is", async () => {
  const hub = new EventHub(new FakeClock());
  const stop = new AbortController();
  const slow = hub.subscribe(undefined, stop.signal)[Symbol.asyncIterator]();
  const first = slow.next();
  await Promise.resolve();
  for (let i = 0; i < 10_002; i++) hub.publish(event(String(i)));
  expect((await first).value?.actor).toBe("0");
  let count = 1;
  const rest = async () => {
    for (let next = await slow.next(); !next.done; next = await slow.next()) count++;
  };
  await expect(rest(), "he is told that this was not all").rejects.toThrow(
    /the reader fell behind by more than 10000/,
  );
  expect(count).toBeLessThan(10_003);
  expect(hub.waiting).toBe(0);
  const fresh = take(hub.subscribe(undefined, stop.signal), 1);
  await Promise.resolve();
  hub.publish(event("later"));
  expect(await fresh).toEqual(["later"]);
});
