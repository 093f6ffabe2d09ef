import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import type { EngineEvent } from "../api/index.ts";
import { FakeClock, silentLog } from "../lib/index.ts";
import { type News, newMeta, put, remove } from "../model/index.ts";
import { aService } from "../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { EventHub, type EventJournal } from "./event-hub.ts";
import { JournalFile } from "./journal-file.ts";
import type { Kept } from "./kept-events.ts";
import { swarmEvents } from "./swarm-events.ts";

/*
 * A hub that is killed and made again over what it left: each change of the swarm's objects is told once to who asks for what came after
 * the last he heard.
 */

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** What a journal's file would have. */
class MemoryJournal implements EventJournal {
  lines: readonly Kept[] = [];
  load(): readonly Kept[] {
    return this.lines;
  }
  add(added: readonly Kept[]): void {
    this.lines = [...this.lines, ...added];
  }
  replace(all: readonly Kept[]): void {
    this.lines = [...all];
  }
}

const local = (actor: string) =>
  ({ type: "container", action: "start", scope: "local", actor, attributes: {} }) as const;

const news = (version: number, at: number, ...names: string[]): News => ({
  ...newMeta(`service.${version}.0`, 0),
  version,
  at,
  events: names.map((actor) => ({ type: "service", action: "update", actor, attributes: {} })),
});

/** All that the hub has for one who asks now. */
async function heard(hub: EventHub, since: number): Promise<EngineEvent[]> {
  const stop = new AbortController();
  const events: EngineEvent[] = [];
  const reading = (async () => {
    for await (const event of hub.subscribe(since, stop.signal)) events.push(event);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await reading;
  return events;
}

const actors = (events: readonly EngineEvent[]) => events.map(({ actor }) => actor).join("");

test("news that were told are not told again, and what came meanwhile is told once, in order", async () => {
  const clock = new FakeClock();
  const journal = new MemoryJournal();
  const first = new EventHub(clock, journal);
  first.tellNews("c1", [news(5, clock.now() + 0.001, "a", "b"), news(6, clock.now() + 0.001, "c")]);
  first.publish(local("L"));
  const all = await heard(first, 0);
  expect(actors(all)).toBe("abcL");
  expect(new Set(all.map(({ at }) => at)).size, "each has a time of its own").toBe(4);

  const second = new EventHub(clock, journal);
  second.tellNews(
    "c1",
    [5, 6, 7].map((v) => news(v, clock.now() + 0.001, v === 7 ? "d" : "-")),
    true,
  );
  expect(actors(await heard(second, all[3]?.at ?? 0))).toBe("d");
  expect(actors(await heard(second, all[1]?.at ?? 0))).toBe("cLd");
  expect(actors(await heard(second, clock.now()))).toBe("abcLd");
});

test("who asks before the store is open hears what it brings, and who asked for nothing of the past only what is new", async () => {
  const clock = new FakeClock();
  const hub = new EventHub(clock);
  const stop = new AbortController();
  const told: string[][] = [[], []];
  const readers = [clock.now() - 5_000, undefined].map(async (since, i) => {
    for await (const { actor } of hub.subscribe(since, stop.signal)) told[i]?.push(actor);
  });
  await new Promise((resolve) => setImmediate(resolve));
  hub.tellNews(
    "c1",
    [news(3, clock.now() - 9_000, "a"), news(4, clock.now() - 1_000, "b"), news(5, clock.now() + 1, "c")],
    true,
  );
  hub.tellNews("c1", [news(6, clock.now() - 100, "d")]);
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await Promise.all(readers);
  expect(told).toEqual([
    ["b", "c", "d"],
    ["c", "d"],
  ]);
});

test("managers that never heard of each other come to the same times", async () => {
  const all = [news(2, 1000.001, "a", "b"), news(3, 1000.001, "c"), news(9, 999, "d")];
  const [one, two] = [new EventHub(new FakeClock()), new EventHub(new FakeClock(5))];
  for (const each of all) one.tellNews("c1", [each]);
  two.tellNews("c1", all, true);
  const times = async (hub: EventHub) => (await heard(hub, 0)).map(({ at }) => at);
  expect(await times(two)).toEqual(await times(one));
  expect(await times(one)).toEqual([1000.001, 1000.003, 1000.005, 1000.007]);
});

/** A daemon that can be killed at any moment, and another manager, which lives on and writes. */
class Daemons {
  readonly clock: FakeClock = new FakeClock();
  readonly #journal = new MemoryJournal();
  readonly #backend = new MemoryBackend();
  readonly #running: Promise<void>[] = [];
  readonly #stops: AbortController[] = [];
  hub: EventHub | undefined;
  store: Store | undefined;

  async open(): Promise<Store> {
    const parts = { backend: this.#backend, seal: openSeal, clock: this.clock, log: silentLog };
    const store = await Store.open({ ...parts, tell: swarmEvents });
    const stop = new AbortController();
    this.#stops.push(stop);
    this.#running.push(store.run(stop.signal));
    return store;
  }

  async start(): Promise<void> {
    const hub = new EventHub(this.clock, this.#journal);
    const store = await this.open();
    const inOrder = (all: Iterable<News>) => [...all].sort((a, b) => a.version - b.version);
    hub.tellNews("c1", inOrder(store.view.all("news")), true);
    store.subscribe((changes) => {
      const told = changes.flatMap(({ kind, after }) => (kind === "news" && after ? [after as News] : []));
      if (this.hub === hub) hub.tellNews("c1", inOrder(told));
    });
    [this.hub, this.store] = [hub, store];
  }

  kill(): void {
    this.#stops.pop()?.abort();
    [this.hub, this.store] = [undefined, undefined];
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop.abort();
    await Promise.all(this.#running);
  }
}

const step = fc.constantFrom(
  "change",
  "change two",
  "local",
  "kill or start",
  "kill or start",
  "read",
  "later",
);

test("each change is told once, and every event of a client's stream, whenever daemon and client are cut off", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const daemons = new Daemons();
      const writer = await daemons.open();
      const got: string[] = [];
      const expected: string[] = [];
      let since = daemons.clock.now();
      let number = 0;
      const read = async () => {
        await daemons.store?.catchUp();
        const events = daemons.hub === undefined ? [] : await heard(daemons.hub, since);
        got.push(...events.map(({ action, actor }) => `${action} ${actor}`));
        since = events.at(-1)?.at ?? since;
      };
      const change = async (count: number) => {
        const made = Array.from({ length: count }, () => aService(`s${++number}`, {}, { version: 0 }));
        await writer.update(made.map((service) => put("service", service)));
        expected.push(...made.map(({ id }) => `create ${id}`));
        const [gone] = writer.view.all("service");
        if (number % 3 !== 0 || gone === undefined) return;
        await writer.update([remove("service", gone)]);
        expected.push(`remove ${gone.id}`);
      };
      const DO: Readonly<Record<string, () => unknown>> = {
        change: () => change(1),
        "change two": () => change(2),
        later: () => daemons.clock.advance(1),
        read,
        local: () => {
          daemons.hub?.publish(local(`l${++number}`));
          if (daemons.hub !== undefined) expected.push(`start l${number}`);
        },
        "kill or start": () => (daemons.hub === undefined ? daemons.start() : daemons.kill()),
      };
      for (const what of steps) await DO[what]?.();
      if (daemons.hub === undefined) await daemons.start();
      await read();
      await daemons.close();
      expect(got.toSorted()).toEqual(expected.toSorted());
      const swarms = (all: readonly string[]) => all.filter((line) => !line.startsWith("start"));
      expect(swarms(got), "the swarm's in the order of their commits").toEqual(swarms(expected));
    }),
    {
      numRuns: 60,
      // Two clocks in one millisecond: the other manager's change has a time before what this node told already.
      examples: [[["kill or start", "local", "read", "kill or start", "change"]]],
    },
  );
});

test("the journal's file has it all after a kill, passes over half a line, and stays short", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-journal-"));
  folders.push(folder);
  const path = join(folder, "sub/events.jsonl");
  const clock = new FakeClock();
  const hub = new EventHub(clock, new JournalFile(path, silentLog));
  hub.tellNews("c1", [news(5, clock.now() + 0.001, "a")]);
  for (let i = 0; i < 5_000; i++) hub.publish(local(`l${i}`));
  const kept = new JournalFile(path, silentLog).load();
  expect(kept.length).toBeLessThanOrEqual(4_000);
  expect(kept[0]?.of).toEqual({ cluster: "c1", version: 5 });
  expect(kept.at(-1)?.event.actor).toBe("l4999");
  writeFileSync(path, '{"event":{"at":1', { flag: "a" });
  expect(new JournalFile(path, silentLog).load().length).toBe(kept.length);
});

test("a journal that cannot be written costs no event", async () => {
  const hub = new EventHub(new FakeClock(), new JournalFile("/proc/nowhere/events.jsonl", silentLog));
  hub.publish(local("a"));
  expect(actors(await heard(hub, 0))).toBe("a");
});
