import { expect, test } from "vitest";
import { aService, aTask, T0 } from "./objects.fake.ts";
import {
  isServing,
  isTerminal,
  TASK_STATES,
  type TaskState,
  type TaskStatus,
  taskName,
  withReport,
} from "./task.ts";

const service = aService("web");
const report = (state: TaskState, rest: Partial<TaskStatus> = {}): TaskStatus => ({
  at: T0,
  state,
  message: "",
  ...rest,
});
const task = (state: TaskState) => aTask(service, 1, { status: report(state) });

test("a report moves a task forward only, and says something only once", () => {
  for (const [i, from] of TASK_STATES.entries()) {
    for (const [j, to] of TASK_STATES.entries()) {
      const next = withReport(task(from), report(to), T0 + 5);
      expect(next?.status.state, `${from} to ${to}`).toBe(j > i && !isTerminal(task(from)) ? to : undefined);
    }
  }
  expect(withReport(task("preparing"), report("preparing", { message: "pulling" }), T0)).toBeDefined();
});

test("the same said again later is no news: since when it is so stays", () => {
  expect(withReport(task("running"), report("running", { at: T0 + 9_000 }), T0 + 9_000)).toBeUndefined();
});

test("an end is final", () => {
  expect(withReport(task("shutdown"), report("failed"), T0)).toBeUndefined();
});

test("running and the end are stamped with the manager's time, once", () => {
  const ran = withReport(task("starting"), report("running"), T0 + 5)!;
  expect([ran.ranAt, ran.endedAt]).toEqual([T0 + 5, undefined]);
  const still = withReport(ran, report("running", { message: "healthy" }), T0 + 9)!;
  expect(still.ranAt).toBe(T0 + 5);
  const ended = withReport(still, report("failed"), T0 + 20)!;
  expect([ended.ranAt, ended.endedAt]).toEqual([T0 + 5, T0 + 20]);
  const never = withReport(task("preparing"), report("rejected"), T0 + 3)!;
  expect([never.ranAt, never.endedAt]).toEqual([undefined, T0 + 3]);
});

test("a task serves while it runs, is wanted, and its node has not given it up", () => {
  const running = task("running");
  expect(isServing(running)).toBe(true);
  expect(isServing(task("starting"))).toBe(false);
  expect(isServing({ ...running, desiredState: "shutdown" })).toBe(false);
  expect(isServing({ ...running, status: report("running", { error: "task: unhealthy container" }) })).toBe(
    false,
  );
});

test("a task has Swarm's container name", () => {
  expect(taskName(aTask(service, 3, { id: "abc" }))).toBe("web.3.abc");
});
