import { beforeEach, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import type { TaskStatus } from "../model/index.ts";
import { aService, aTask } from "../model/objects.fake.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { containerConfigOf } from "./container-config.ts";
import { Worker, type WorkerParts } from "./worker.ts";

let clock: FakeClock;
let containers: FakeContainers;
let adopted: string[];
let attached: Set<string>;
let reported: [string, TaskStatus["state"]][];

/** Namespaces in memory. */
const sandboxes: WorkerParts["sandboxes"] = {
  async attach(task) {
    attached.add(task.id);
    const rest = { nodeId: "n", netns: `/netns/${task.id}`, gatewayAddress: "172.18.0.16", search: [] };
    return (of, containerId, image) => containerConfigOf(of, { ...rest, containerId, image });
  },
  portsOf: () => [],
  async detach(taskId) {
    attached.delete(taskId);
  },
  adopt: (tasks, running) => void adopted.push(...tasks.map(({ id }) => id).filter((id) => running.has(id))),
};

beforeEach(() => {
  clock = new FakeClock();
  const images = new FakeImages();
  images.publish("redis:3.2", { Cmd: ["serve"] });
  containers = new FakeContainers({ images, clock });
  adopted = [];
  attached = new Set();
  reported = [];
  parts = {
    contentsOf: () => new Map(),
    ...{ containers, images, sandboxes, clock, random: seededRandom(7), log: silentLog },
    report: (taskId, { state }) => void reported.push([taskId, state]),
  };
});
let parts: WorkerParts;

const task = (slot: number): AssignedTask =>
  aTask(aService("web"), slot, { nodeId: "n", desiredState: "running" });
const running = async () =>
  (await containers.list())
    .filter(({ status }) => status === "running")
    .map(({ name }) => name.split(".")[1]);

test("tasks run as they are assigned and go as they are not", async () => {
  const worker = new Worker(parts);
  worker.assign([task(1), task(2)]);
  await clock.advance(0);
  expect(await running()).toEqual(["1", "2"]);
  expect(worker.containerOf("web-1")).toBe((await containers.list())[0]?.id);
  expect(worker.statuses().map(({ taskId, status }) => [taskId, status.state])).toEqual([
    ["web-1", "running"],
    ["web-2", "running"],
  ]);
  worker.assign([task(2), task(3)]);
  await clock.advance(60_000);
  expect(await running()).toEqual(["2", "3"]);
  expect(worker.containerOf("web-1")).toBeUndefined();
  expect(attached).toEqual(new Set(["web-2", "web-3"]));
});

test("saying the same again changes nothing", async () => {
  const worker = new Worker(parts);
  for (let i = 0; i < 3; i++) {
    worker.assign([task(1)]);
    await clock.advance(1_000);
  }
  expect(reported.filter(([, state]) => state === "running")).toHaveLength(1);
  expect(await containers.list()).toHaveLength(1);
});

test("the next daemon goes on with what runs; what nobody assigned goes once the whole set is known", async () => {
  const earlier = new Worker(parts);
  earlier.assign([task(1), task(2)]);
  await clock.advance(0);
  earlier.abandon();
  const ids = (await containers.list()).map(({ id }) => id);
  const worker = new Worker(parts);
  await worker.find();
  worker.assign([task(1)]);
  await clock.advance(0);
  expect(adopted).toEqual(["web-1"]);
  expect((await containers.list()).map(({ id }) => id)).toEqual(ids);
  expect(await running()).toEqual(["1", "2"]);
  worker.assign([task(1)]);
  await worker.sweep();
  expect(await running()).toEqual(["1"]);
  expect(worker.containerOf("web-1")).toBe(ids[0]);
});

test("a task that a manager tells of only after the restart finds its container too", async () => {
  const earlier = new Worker(parts);
  earlier.assign([task(1)]);
  await clock.advance(0);
  earlier.abandon();
  const worker = new Worker(parts);
  await worker.find();
  worker.assign([]);
  worker.assign([task(1)]);
  await worker.sweep();
  await clock.advance(0);
  expect(await containers.list()).toHaveLength(1);
  expect(await running()).toEqual(["1"]);
});
