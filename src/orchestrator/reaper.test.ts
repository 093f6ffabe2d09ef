import { describe, expect, test } from "vitest";
import type { Change, Node, Plan, Service, Task, TaskState } from "../model/index.ts";
import {
  aCluster,
  aNode,
  aRunning,
  aService,
  aTask,
  aTaskSpec,
  countingIds,
  T0,
} from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { ORPHAN_AFTER_MS, reapService } from "./reaper.ts";

function reap(service: Service, tasks: Task[], nodes: Node[] = [aNode("n1")], now = T0): Plan {
  const cluster = [aCluster({ spec: { ...aCluster().spec, taskHistoryLimit: 2 } })];
  const view = viewOf({ service: [service], task: tasks, node: nodes, cluster });
  return reapService(view, service.id, { now, newId: countingIds() });
}

function line(change: Change): string {
  if (change.op === "delete") return `delete ${change.id}`;
  if (change.kind !== "task") return change.kind;
  return `${change.object.id} ${change.object.status.state}: ${change.object.status.message}`;
}

const lines = (plan: Plan): string[] => plan.changes.map(line).sort();
const ended = (state: TaskState) => ({ status: { at: T0, state, message: "" } });

/** So many tasks of one place, the youngest first in name: "a", "b", … */
function history(service: Service, count: number, rest: (index: number) => Partial<Task>): Task[] {
  return Array.from({ length: count }, (_, i) =>
    aTask(service, 0, {
      id: "abcdefgh"[i] ?? "",
      nodeId: "n1",
      createdAt: T0 - i,
      desiredState: "shutdown",
      ...ended("shutdown"),
      ...rest(i),
    }),
  );
}

describe("the history of a place", () => {
  test("of a global service is its node's", () => {
    const web = aService("web", { mode: { kind: "global" } });
    const here = history(web, 3, () => ({}));
    const there = history(web, 2, (i) => ({ id: `there-${i}`, nodeId: "n2" }));
    expect(lines(reap(web, [...here, ...there], [aNode("n1"), aNode("n2")]))).toEqual(["delete c"]);
  });

  test("goes back over a job's iterations, and never loses the present one's end", () => {
    const mode = { kind: "replicated-job", maxConcurrent: 1, totalCompletions: 1 } as const;
    const job = aService("job", { mode }, { job: { iteration: 3, lastExecution: T0 } });
    const runs = history(job, 4, (i) => ({
      jobIteration: 3 - i,
      desiredState: "complete",
      ...ended("complete"),
    }));
    expect(lines(reap(job, runs))).toEqual(["delete c", "delete d"]);
    const now = runs.map((task) => ({ ...task, jobIteration: 3 }));
    expect(lines(reap(job, now))).toEqual([]);
  });

  test("is no longer where the restart policy counts: what it counts is on the tasks", () => {
    const task = { ...aTaskSpec, restart: { ...aTaskSpec.restart, maxAttempts: 1_000_000 } };
    const job = aService("job", { mode: { kind: "global-job" }, task });
    const runs = history(job, 4, () => ended("failed"));
    expect(lines(reap(job, runs))).toEqual(["delete c", "delete d"]);
  });

  test("holds no more tasks that never got to a node than others", () => {
    const web = aService("web");
    const never = history(web, 4, () => ended("pending")).map(({ nodeId: _, ...task }) => task);
    expect(lines(reap(web, never))).toEqual(["delete c", "delete d"]);
  });
});

describe("orphans", () => {
  const web = aService("web");
  const down = (downAt: number) =>
    aNode("n1", { status: { state: "down", message: "", address: "", downAt } });

  test("are made when their node has been down for a day, not before", () => {
    const tasks = [aRunning(web, 1, "n1", { desiredState: "shutdown" })];
    const early = reap(web, tasks, [down(T0)], T0 + ORPHAN_AFTER_MS - 1);
    expect([early.changes, early.again]).toEqual([[], T0 + ORPHAN_AFTER_MS]);
    expect(lines(reap(web, tasks, [down(T0)], T0 + ORPHAN_AFTER_MS))).toEqual([
      "web-1 orphaned: its node has been down for 24 hours",
    ]);
  });

  test("are made at once when their node is removed", () => {
    expect(lines(reap(web, [aRunning(web, 1, "gone")]))).toEqual(["web-1 orphaned: its node was removed"]);
  });

  test("are no tasks that ended, or that the node was never told of", () => {
    const tasks = [
      aRunning(web, 1, "n1", ended("failed")),
      aTask(web, 2, { nodeId: "n1", desiredState: "shutdown", ...ended("pending") }),
    ];
    expect(reap(web, tasks, [down(T0)], T0 + 2 * ORPHAN_AFTER_MS).changes).toEqual([]);
  });
});
