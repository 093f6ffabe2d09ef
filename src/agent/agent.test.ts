import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Queue } from "../lib/index.ts";
import { aService, aTask } from "../model/objects.fake.ts";
import type { ManagerMessage } from "../rpc/index.ts";
import { AgentMachine, assignmentsFor, welcome } from "./agent.fake.ts";
import type { AssignedTask } from "./assignment-book.ts";

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
