import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Queue } from "../lib/index.ts";
import { aService, aTask } from "../model/objects.fake.ts";
import { HOST } from "../netstate/index.ts";
import type { AgentMessage, ManagerMessage } from "../rpc/index.ts";
import { AgentMachine, assignmentsFor, welcome } from "./agent.fake.ts";
import type { AssignedTask } from "./assigned-task.ts";

/** A whole agent on fakes: what a restart must not touch. */

let machine: AgentMachine;

beforeEach(() => {
  machine = new AgentMachine();
});
afterEach(() => machine.close());

const task: AssignedTask = aTask(aService("web"), 1, {
  id: "task1234567890",
  nodeId: "n1",
  desiredState: "running",
  attachments: [{ networkId: "front", address: "10.0.1.5" }],
});
const NAMESPACE = `task-${task.id}`;

async function runOnce(): Promise<string> {
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(assignmentsFor(task));
  const { stop } = machine.start(messages);
  await machine.clock.advance(2_000);
  const [running] = await machine.containers.list();
  expect(running?.status).toBe("running");
  stop.abort();
  await machine.clock.advance(0);
  return running?.id ?? "";
}

test("a restarted agent never takes the network from under a running container, with or without a manager", async () => {
  const id = await runOnce();
  machine.applied.length = 0;
  machine.start();
  await machine.clock.advance(60_000);
  expect(machine.applied.length).toBeGreaterThan(0);
  for (const wanted of machine.applied) expect(Object.keys(wanted.namespaces)).toContain(NAMESPACE);
  expect((await machine.containers.list()).map((c) => [c.id, c.status])).toEqual([[id, "running"]]);
});

test("unreadable assignments: nothing is touched until a manager has spoken, and then the container goes on", async () => {
  const id = await runOnce();
  writeFileSync(join(machine.folder, "assignments.json"), "{torn");
  machine.applied.length = 0;
  const silent = machine.start();
  await machine.clock.advance(60_000);
  expect(machine.applied).toEqual([]);
  silent.stop.abort();
  await machine.clock.advance(0);
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(assignmentsFor(task));
  const { sent } = machine.start(messages);
  await machine.clock.advance(2_000);
  for (const wanted of machine.applied) expect(Object.keys(wanted.namespaces)).toContain(NAMESPACE);
  expect((await machine.containers.list()).map((c) => [c.id, c.status])).toEqual([[id, "running"]]);
  const states = sent.flatMap((m) => (m.kind === "statuses" ? m.statuses.map((s) => s.status.state) : []));
  expect(states.at(-1)).toBe("running");
});

test("a disk that is full ends no session; what was saved before is not believed by the next daemon", async () => {
  const id = await runOnce();
  // As good as a full disk: the new file cannot be written.
  mkdirSync(join(machine.folder, "assignments.json.new"));
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push({ ...assignmentsFor(task), upserts: [] });
  const { sent, stop } = machine.start(messages);
  await machine.clock.advance(60_000);
  expect(sent.filter(({ kind }) => kind === "hello")).toHaveLength(1);
  expect(await machine.containers.list()).toEqual([]);
  expect(readFileSync(join(machine.folder, "assignments.json"), "utf8")).toBe("");
  stop.abort();
  await machine.clock.advance(0);
  rmdirSync(join(machine.folder, "assignments.json.new"));
  machine.start();
  await machine.clock.advance(60_000);
  expect((await machine.containers.list()).map((c) => c.id)).not.toContain(id);
  expect(await machine.containers.list()).toEqual([]);
});

test("saved assignments that no network can be made of do not end the agent: a manager's word mends them", async () => {
  const message = assignmentsFor(task);
  const bad = message.upserts.map(({ key, json }) => [key, json.replace("10.0.1.0/24", "nowhere")]);
  writeFileSync(join(machine.folder, "assignments.json"), JSON.stringify(bad));
  const messages = new Queue<ManagerMessage>();
  const { sent } = machine.start(messages);
  await machine.clock.advance(100);
  messages.push(welcome);
  messages.push(message);
  await machine.clock.advance(15_000);
  expect(sent.filter(({ kind }) => kind === "hello")).toHaveLength(1);
  expect(Object.keys(machine.applied.at(-1)?.namespaces ?? {})).toContain("net-front");
});

test("a container that ended has no sandbox at the next start: its gateway address may be another task's", async () => {
  const id = await runOnce();
  machine.containers.exit(id, 1);
  const other = { ...task, id: "task2345678901", attachments: [{ networkId: "front", address: "10.0.1.6" }] };
  const set = assignmentsFor(task);
  const upserts = [...set.upserts, { key: `task/${other.id}`, json: JSON.stringify(other) }];
  const second = machine.start(queueOf(welcome, { ...set, upserts }));
  await machine.clock.advance(2_000);
  second.stop.abort();
  await machine.clock.advance(0);
  machine.applied.length = 0;
  machine.start();
  await machine.clock.advance(2_000);
  const names = machine.applied.map(({ namespaces }) => Object.keys(namespaces));
  expect(names.at(-1)).toContain(`task-${other.id}`);
  for (const each of names) expect(each).not.toContain(NAMESPACE);
});

function queueOf(...messages: ManagerMessage[]): Queue<ManagerMessage> {
  const queue = new Queue<ManagerMessage>();
  for (const message of messages) queue.push(message);
  return queue;
}

test("a container that was made and is not to start any more has no sandbox at the next start either", async () => {
  const held = { ...task, desiredState: "ready" as const };
  const first = machine.start(queueOf(welcome, assignmentsFor(held)));
  await machine.clock.advance(2_000);
  first.stop.abort();
  await machine.clock.advance(0);
  expect((await machine.containers.list()).map(({ status }) => status)).toEqual(["created"]);
  const told = assignmentsFor({ ...task, desiredState: "shutdown" });
  const second = machine.start(queueOf(welcome, told));
  await machine.clock.advance(2_000);
  second.stop.abort();
  await machine.clock.advance(0);
  machine.applied.length = 0;
  machine.start();
  await machine.clock.advance(2_000);
  expect(machine.applied.length).toBeGreaterThan(0);
  for (const { namespaces } of machine.applied) expect(Object.keys(namespaces)).not.toContain(NAMESPACE);
});

const keys = {
  nodeId: "n2",
  inbound: [{ spi: 256, key: "a".repeat(40) }],
  outbound: [{ spi: 512, key: "b".repeat(40) }],
};
const peer = { id: "n2", dataPathAddress: "192.0.2.2", addresses: { front: "10.0.1.4" } };

/** As `assignmentsFor`, with the network encrypted, a peer on it, and the pair's keys. */
function encrypted(resultsIn = 1): ReturnType<typeof assignmentsFor> {
  const { upserts, ...message } = assignmentsFor(task, resultsIn);
  const dark = upserts.map(({ key, json }) =>
    key === "network/front"
      ? { key, json: JSON.stringify({ ...JSON.parse(json), encrypted: true }) }
      : { key, json },
  );
  const more = [
    { key: "node/n2", json: JSON.stringify(peer) },
    { key: "keys/n2", json: JSON.stringify(keys) },
  ];
  return { ...message, upserts: [...dark, ...more] };
}

const spisOf = () => machine.applied.at(-1)?.namespaces[HOST]?.xfrm?.states.map(({ spi }) => spi);
const bootsOf = (sent: readonly AgentMessage[]) =>
  sent.flatMap((message) => (message.kind === "hello" ? [message.tunnelEnd.boot] : []));

test("keys of encrypted networks are on no disk: until a manager speaks again nothing passes, and not in clear either", async () => {
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(encrypted());
  const first = machine.start(messages);
  await machine.clock.advance(2_000);
  expect(spisOf()).toEqual([256, 512]);
  first.stop.abort();
  await machine.clock.advance(0);
  const saved = readFileSync(join(machine.folder, "assignments.json"), "utf8");
  expect(saved).toContain("net");
  expect(saved).not.toMatch(/a{40}|b{40}|keys/);
  const second = machine.start();
  await machine.clock.advance(2_000);
  expect(spisOf()).toEqual([]);
  expect(machine.applied.at(-1)?.namespaces[HOST]?.xfrm?.policies).toEqual([
    { direction: "in", port: 4790 },
    { direction: "out", port: 4790 },
  ]);
  expect((await machine.containers.list()).map(({ status }) => status)).toEqual(["running"]);
  expect(bootsOf(first.sent)).toHaveLength(1);
  second.stop.abort();
});

test("a key that was given up is not sent under again: the node says so by another name, and asks for others", async () => {
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(encrypted());
  const { sent } = machine.start(messages);
  await machine.clock.advance(100);
  const change = { kind: "assignments", complete: false } as const;
  messages.push({ ...change, appliesTo: 1, resultsIn: 2, upserts: [], removals: ["keys/n2"] });
  await machine.clock.advance(100);
  expect(spisOf()).toEqual([]);
  expect(new Set(bootsOf(sent)).size).toBe(1);
  const again = [{ key: "keys/n2", json: JSON.stringify(keys) }];
  messages.push({ ...change, appliesTo: 2, resultsIn: 3, upserts: again, removals: [] });
  await machine.clock.advance(100);
  // What others send may be taken; nothing is sent.
  expect(spisOf()).toEqual([256]);
  expect(new Set(bootsOf(sent)).size).toBe(2);
});

test("keys that somebody took out of the kernel are put back, and others are asked for", async () => {
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(encrypted());
  const { sent } = machine.start(messages);
  await machine.clock.advance(100);
  const state = { source: "192.0.2.1", destination: "192.0.2.2", spi: 512, port: 4790, key: "b".repeat(40) };
  machine.meddle(HOST, { op: "remove-xfrm-state", state });
  await machine.clock.advance(20_000);
  expect(new Set(bootsOf(sent)).size).toBe(2);
});

test("where the kernel cannot encrypt, a task of such a network is rejected with the reason, and nothing is made for it", async () => {
  machine.lackOfEncryption = "this kernel has no ESP with AES-GCM";
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(encrypted());
  const { sent } = machine.start(messages);
  await machine.clock.advance(2_000);
  expect(sent[0]).toMatchObject({ kind: "hello", tunnelEnd: { lack: machine.lackOfEncryption } });
  const statuses = sent.flatMap((m) => (m.kind === "statuses" ? m.statuses.map(({ status }) => status) : []));
  expect(statuses.at(-1)).toMatchObject({
    state: "rejected",
    error: "cannot attach task: its network is encrypted, and this kernel has no ESP with AES-GCM",
  });
  expect(await machine.containers.list()).toEqual([]);
  const { [HOST]: host, ...others } = machine.applied.at(-1)?.namespaces ?? {};
  expect([host?.xfrm, Object.keys(others)]).toEqual([undefined, []]);
});
