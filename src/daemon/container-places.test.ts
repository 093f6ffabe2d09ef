import { describe, expect, test } from "vitest";
import type { Task } from "../model/index.ts";
import { aRunning, aService, T0 } from "../model/objects.fake.ts";
import type { ContainerState } from "../runtime/index.ts";
import { ContainerPlaces, findTask, idAt, type ManagedTasks, TASK_ID_LABEL } from "./container-places.ts";

const web = aService("web");
const running = (slot: number, id: string, containerId: string): Task =>
  aRunning(web, slot, "node-2", {
    id,
    status: { at: T0, state: "running", message: "", container: { id: containerId, pid: 7 } },
  });
const tasks = [running(1, "webby1", "aa11"), running(2, "webby2", "bb22"), running(3, "other3", "cc3333")];
const pending = aRunning(web, 4, "", { id: "later4", status: { at: T0, state: "pending", message: "" } });

const here = (id: string, name: string, taskId?: string) =>
  ({
    id,
    name,
    labels: taskId === undefined ? {} : { [TASK_ID_LABEL]: taskId },
  }) as unknown as ContainerState;
const states = [here("dd44", "db"), here("cc3333", "web.3.other3", "other3")];

function places(all: readonly Task[] | undefined): ContainerPlaces {
  const managed = all && ({ tasks: { list: () => all } } as unknown as ManagedTasks);
  return new ContainerPlaces({ list: async () => [...states] }, () => managed);
}

describe("a task is found", () => {
  test.each([
    ["its id", "webby2", "webby2"],
    ["its name", "web.1.webby1", "webby1"],
    ["its container's id", "bb22", "webby2"],
    ["the beginning of its id", "othe", "other3"],
    ["the beginning of its container's id", "cc33", "other3"],
    ["a beginning of less than four letters", "oth", undefined],
    ["its slot alone", "web.1", undefined],
    ["nothing", "", undefined],
  ])("by %s", (_, ref, id) => {
    expect(findTask(tasks, ref)?.id).toBe(id);
  });

  test("but not by what is the beginning of two", () => {
    expect(() => findTask(tasks, "webb")).toThrow("multiple IDs found with provided prefix: webb");
  });
});

describe("a container", () => {
  test("of this node comes first, by its own words", async () => {
    expect(await places([...tasks, running(5, "dd44", "ee55")]).locate("dd44")).toMatchObject({
      kind: "here",
      state: { name: "db" },
    });
  });

  test("of a task is here when it is this node's, else elsewhere", async () => {
    const all = places(tasks);
    expect(await all.locate("other3")).toMatchObject({ kind: "here", task: { id: "other3" } });
    expect(await all.locate("webby1")).toMatchObject({ kind: "elsewhere", task: { id: "webby1" } });
    expect(idAt(await all.locate("webby1"))).toBe("aa11");
    expect(all.taskOf("aa11")?.id).toBe("webby1");
  });

  test("that a task has not yet is said so", async () => {
    const place = await places([pending]).locate("later4");
    expect(() => idAt(place)).toThrow("task web.4.later4 is not running: it is pending");
  });

  test("of another node is unknown on a worker; its own tasks' are known there by the tasks' ids", async () => {
    const worker = places(undefined);
    expect(await worker.locate("other3")).toMatchObject({ kind: "here", state: { id: "cc3333" } });
    await expect(worker.locate("webby1")).rejects.toMatchObject({
      kind: "not-found",
      message: "No such container: webby1",
    });
    expect(() => worker.visits()).toThrow("This node is not a swarm manager.");
  });
});
