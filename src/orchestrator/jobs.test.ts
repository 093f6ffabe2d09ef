import { describe, expect, test } from "vitest";
import type { Node, Plan, Service, ServiceSpec, Task, TaskState } from "../model/index.ts";
import { aNode, aService, aTask, aTaskSpec, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { planService } from "./service.ts";

const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];

function job(mode: ServiceSpec["mode"], iteration = 0, maxAttempts = 0): Service {
  const restart = { ...aTaskSpec.restart, maxAttempts };
  const task = { ...aTaskSpec, restart };
  return aService("job", { mode, task }, { job: { iteration, lastExecution: T0 } });
}

const replicated = (maxConcurrent: number, totalCompletions: number, iteration = 0, maxAttempts = 0) =>
  job({ kind: "replicated-job", maxConcurrent, totalCompletions }, iteration, maxAttempts);

/** A task of the job in this state, on node n1. */
function at(service: Service, slot: number, state: TaskState, rest: Partial<Task> = {}): Task {
  return aTask(service, slot, { nodeId: "n1", status: { at: T0, state, message: "" }, ...rest });
}

function plan(service: Service, tasks: Task[], of: Node[] = nodes): Plan {
  const view = viewOf({ service: [service], task: tasks, node: of });
  return planService(view, service, { now: T0, newId: countingIds() });
}

function lines({ changes }: Plan): string[] {
  return changes.map((change) => {
    if (change.op !== "put" || change.kind !== "task") return change.kind;
    const { id, slot, mode, nodeId, desiredState, after, jobIteration } = change.object;
    const place = mode === "global-job" ? `on ${nodeId}` : `slot ${slot}`;
    return `${id} #${jobIteration} ${place}: ${desiredState}${after === undefined ? "" : ` after ${after}`}`;
  });
}

describe("a replicated job", () => {
  test("begins as many slots as may be in flight, from 0 on", () => {
    expect(lines(plan(replicated(2, 5), []))).toEqual([
      "id-1 #0 slot 0: complete",
      "id-2 #0 slot 1: complete",
    ]);
  });

  test("a completed task makes room for the next slot, and is not run again", () => {
    const jobs = replicated(2, 3);
    expect(lines(plan(jobs, [at(jobs, 0, "complete"), at(jobs, 1, "running")]))).toEqual([
      "id-1 #0 slot 2: complete",
    ]);
    const all = [0, 1, 2].map((slot) => at(jobs, slot, "complete"));
    expect(lines(plan(jobs, all))).toEqual([]);
  });

  test("a failed task is followed in its slot and keeps its place among those in flight", () => {
    const jobs = replicated(1, 3);
    expect(lines(plan(jobs, [at(jobs, 0, "failed")]))).toEqual([
      "job-0 #0 slot 0: shutdown",
      "id-1 #0 slot 0: ready after job-0",
    ]);
  });

  test("a slot out of attempts is given up; the others go on", () => {
    const jobs = replicated(1, 2, 0, 1);
    const first = at(jobs, 0, "failed", { id: "first", createdAt: T0 - 9, desiredState: "shutdown" });
    const restarts = [T0];
    const again = at(jobs, 0, "failed", { restarts });
    expect(lines(plan(jobs, [first, again]))).toEqual(["job-0 #0 slot 0: shutdown"]);
    const over = [first, at(jobs, 0, "failed", { restarts, desiredState: "shutdown" })];
    expect(lines(plan(jobs, over))).toEqual(["id-1 #0 slot 1: complete"]);
    expect(lines(plan(jobs, [...over, at(jobs, 1, "complete")]))).toEqual([]);
  });

  test("a new iteration ends what runs of the old one, keeps its history, and waits for its stop", () => {
    const jobs = replicated(2, 2, 1);
    const old = { jobIteration: 0 };
    expect(lines(plan(jobs, [at(jobs, 0, "complete", old), at(jobs, 1, "running", old)]))).toEqual([
      "job-1 #0 slot 1: remove",
      "id-1 #1 slot 0: complete",
      "id-2 #1 slot 1: ready after job-1",
    ]);
  });

  test("slots that are not asked for any more leave no records", () => {
    const jobs = replicated(1, 1, 1);
    const old = { jobIteration: 0 };
    expect(lines(plan(jobs, [at(jobs, 0, "complete"), at(jobs, 4, "complete", old)]))).toEqual([
      "job-4 #0 slot 4: remove",
    ]);
  });

  test("a task whose node is drained or down is followed at once, with no delay", () => {
    const jobs = replicated(1, 1);
    const drained = aNode("n1", { spec: { role: "worker", labels: {}, availability: "drain" } });
    const { changes } = plan(jobs, [at(jobs, 0, "running")], [drained]);
    expect(changes.map((c) => c.op === "put" && c.kind === "task" && c.object.notBefore)).toEqual([
      undefined,
      T0,
    ]);
  });

  test("a waiting task is let go towards completion", () => {
    const jobs = replicated(1, 1);
    expect(lines(plan(jobs, [at(jobs, 0, "ready", { desiredState: "ready" })]))).toEqual([
      "job-0 #0 slot 0: complete",
    ]);
  });
});

describe("a global job", () => {
  const once = (iteration = 0, maxAttempts = 0) => job({ kind: "global-job" }, iteration, maxAttempts);
  const here = (service: Service, nodeId: string, state: TaskState, rest: Partial<Task> = {}) =>
    at(service, 0, state, { id: `job-${nodeId}`, nodeId, ...rest });

  test("runs once on each node, new ones too", () => {
    const jobs = once();
    expect(lines(plan(jobs, [here(jobs, "n1", "complete"), here(jobs, "n2", "running")]))).toEqual([
      "id-1 #0 on n3: complete",
    ]);
  });

  test("attempts are counted (Swarm tries for ever)", () => {
    const jobs = once(0, 1);
    const first = here(jobs, "n1", "failed", { id: "first", createdAt: T0 - 9, desiredState: "shutdown" });
    const one = [aNode("n1")];
    expect(lines(plan(jobs, [here(jobs, "n1", "failed")], one))).toEqual([
      "job-n1 #0 on n1: shutdown",
      "id-1 #0 on n1: ready after job-n1",
    ]);
    const restarts = [T0];
    expect(lines(plan(jobs, [first, here(jobs, "n1", "failed", { restarts })], one))).toEqual([
      "job-n1 #0 on n1: shutdown",
    ]);
    const over = here(jobs, "n1", "failed", { restarts, desiredState: "shutdown" });
    expect(lines(plan(jobs, [first, over], one))).toEqual([]);
  });

  test("a new iteration runs everywhere again", () => {
    const jobs = once(1);
    const tasks = [
      here(jobs, "n1", "complete", { jobIteration: 0 }),
      here(jobs, "n2", "running", { jobIteration: 0 }),
    ];
    expect(lines(plan(jobs, tasks, [aNode("n1"), aNode("n2")]))).toEqual([
      "job-n2 #0 on n2: remove",
      "id-1 #1 on n1: complete",
      "id-2 #1 on n2: ready after job-n2",
    ]);
  });

  test("a drained node is left, and runs it once it is back, unless it had completed", () => {
    const jobs = once();
    const drained = (id: string) =>
      aNode(id, { spec: { role: "worker", labels: {}, availability: "drain" } });
    const tasks = [here(jobs, "n1", "complete"), here(jobs, "n2", "running")];
    expect(lines(plan(jobs, tasks, [drained("n1"), drained("n2")]))).toEqual(["job-n2 #0 on n2: shutdown"]);
    const stopped = [
      here(jobs, "n1", "complete"),
      here(jobs, "n2", "shutdown", { desiredState: "shutdown" }),
    ];
    expect(lines(plan(jobs, stopped, [aNode("n1"), aNode("n2")]))).toEqual(["id-1 #0 on n2: complete"]);
  });

  test("of a removed node not even records stay", () => {
    const jobs = once(1);
    const tasks = [
      here(jobs, "gone", "complete"),
      here(jobs, "gone", "complete", { id: "old", jobIteration: 0 }),
    ];
    expect(lines(plan(jobs, tasks, []))).toEqual(["old #0 on gone: remove", "job-gone #1 on gone: remove"]);
  });
});
