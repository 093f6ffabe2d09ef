import { afterEach, expect, test } from "vitest";
import { Leadership, type LeadershipParts } from "../../src/etcd/index.ts";
import { aborted, silentLog } from "../../src/lib/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { type TestEtcd, TestEtcds, until } from "../support/etcd.ts";

const etcds = new TestEtcds();
const undo: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await etcds.end();
});

/** A candidate that writes into `story` when it begins and when it ends to lead. */
function candidate(server: TestEtcd, name: string, story: string[]) {
  const leadership = new Leadership(partsOf(server, name));
  const stop = new AbortController();
  const running = leadership.run(stop.signal, async (signal) => {
    story.push(`${name} leads`);
    await aborted(signal);
    story.push(`${name} stops`);
  });
  const resign = async () => {
    stop.abort();
    await running;
  };
  undo.push(async () => {
    await resign();
    leadership.close();
  });
  return { leadership, resign };
}

const says = (story: string[], words: string) =>
  until(words, () => (story.includes(words) ? true : undefined));

test("one leads, everybody knows who; when it resigns the next one leads at once", async () => {
  const server = await etcds.start();
  const story: string[] = [];
  const one = candidate(server, "one", story);
  await says(story, "one leads");
  const two = candidate(server, "two", story);
  await until("two to know", async () => ((await two.leadership.leader()) === "one" ? true : undefined));
  const resigned = systemClock.now();
  await one.resign();
  await says(story, "two leads");
  expect(systemClock.now() - resigned).toBeLessThan(1_500);
  expect(story).toEqual(["one leads", "one stops", "two leads"]);
  expect(await one.leadership.leader()).toBe("two");
});

test("a leader that is cut off stops before another one begins", async () => {
  const server = await etcds.start();
  const story: string[] = [];
  const one = candidate(server, "one", story);
  await says(story, "one leads");
  candidate(server, "two", story);
  one.leadership.close();
  await says(story, "two leads");
  expect(story).toEqual(["one leads", "one stops", "two leads"]);
});

test("a leader whose etcd is silent stops, and leads again when it is back", async () => {
  const server = await etcds.start();
  const pid = server.etcd.pid!;
  const story: string[] = [];
  candidate(server, "one", story);
  await says(story, "one leads");
  process.kill(pid, "SIGSTOP");
  try {
    await says(story, "one stops");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until("its return", () => (story.length === 3 ? true : undefined));
  expect(story).toEqual(["one leads", "one stops", "one leads"]);
});

test("a restart of etcd unseats nobody", async () => {
  const server = await etcds.start();
  etcds.keep(server);
  const story: string[] = [];
  const { leadership } = candidate(server, "one", story);
  candidate(server, "two", story);
  await until("a leader", () => story[0]);
  const pid = server.etcd.pid!;
  process.kill(pid, "SIGKILL");
  await until("the next etcd", () => (server.etcd.pid === pid ? undefined : true));
  // Longer than the lease lives unless it is kept alive.
  const since = systemClock.now();
  await until("time to pass", () => (systemClock.now() - since > 4_500 ? true : undefined));
  expect(story.length).toBe(1);
  expect(`${await leadership.leader()} leads`).toBe(story[0]);
});

test("who fails while leading makes room, and his failure is told", async () => {
  const server = await etcds.start();
  const failing = new Leadership(partsOf(server, "failing"));
  const run = failing.run(new AbortController().signal, async () => {
    throw new Error("planned badly");
  });
  await expect(run).rejects.toThrow("planned badly");
  expect(await failing.leader()).toBeUndefined();
  failing.close();
});

function partsOf({ etcd }: TestEtcd, value: string): LeadershipParts {
  return { target: etcd.target, key: "/leader", value, clock: systemClock, log: silentLog };
}
