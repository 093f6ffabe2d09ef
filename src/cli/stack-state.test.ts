import { expect, test } from "vitest";
import { isSettled, meets, type ServiceJson, stateOf, type TaskJson } from "./stack-state.ts";

let made = 0;
const task = (slot: number, state: string, more: Partial<TaskJson> & { err?: string } = {}): TaskJson => ({
  ID: `t${++made}`,
  ServiceID: "s",
  Slot: slot,
  CreatedAt: `2026-01-01T00:00:${String(made % 60).padStart(2, "0")}.${String(made).padStart(6, "0")}Z`,
  DesiredState: "running",
  Status: { State: state, ...(more.err !== undefined && { Err: more.err }) },
  ...more,
});
const service = (spec: object, more: Partial<ServiceJson> = {}): ServiceJson => ({
  ID: "s",
  Spec: { Name: "web", ...spec },
  ...more,
});
const two = { Mode: { Replicated: { Replicas: 2 } } };
const look = (of: ServiceJson, tasks: readonly TaskJson[], old: readonly string[] = []) =>
  stateOf(of, tasks, new Set(old));

test("replicas are settled when each place's newest task runs", () => {
  const tasks = [task(1, "running"), task(2, "failed"), task(2, "starting")];
  expect(look(service(two), tasks)).toMatchObject({ wanted: 2, started: 2, ready: 1, failed: undefined });
  expect(isSettled(look(service(two), tasks))).toBe(false);
  expect(isSettled(look(service(two), [...tasks, task(2, "running")]))).toBe(true);
});

test("started is not healthy: a task with a health check is starting until it is", () => {
  const state = look(service({ Mode: { Replicated: { Replicas: 1 } } }), [task(1, "starting")]);
  expect(meets(state, "service_started")).toBe(true);
  expect(meets(state, "service_healthy")).toBe(false);
});

test("a task that ends well is ready only where nobody starts it again", () => {
  const once = {
    Mode: { Replicated: { Replicas: 1 } },
    TaskTemplate: { RestartPolicy: { Condition: "none" } },
  };
  expect(isSettled(look(service(once), [task(1, "complete")]))).toBe(true);
  expect(meets(look(service(once), [task(1, "complete")]), "service_completed_successfully")).toBe(true);
  expect(isSettled(look(service({ Mode: { Replicated: {} } }), [task(1, "complete")]))).toBe(false);
});

test("a job is settled by what it completed", () => {
  const job = { Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 3 } } };
  expect(isSettled(look(service(job, { ServiceStatus: { CompletedTasks: 2 } }), [task(1, "running")]))).toBe(
    false,
  );
  expect(isSettled(look(service(job, { ServiceStatus: { CompletedTasks: 3 } }), []))).toBe(true);
});

test("a global service waits until somebody has counted its nodes", () => {
  const global = { Mode: { Global: {} } };
  expect(isSettled(look(service(global), []))).toBe(false);
  const counted = service(global, { ServiceStatus: { DesiredTasks: 1 } });
  expect(isSettled(look(counted, [task(0, "running", { NodeID: "n1" })]))).toBe(true);
});

test("three failures of one place are the end, but not those from before, nor of several places", () => {
  const failures = [1, 2, 3].map(() => task(1, "rejected", { err: "no such image" }));
  expect(look(service(two), failures).failed).toBe("3 tasks failed: no such image");
  const [first] = failures;
  expect(look(service(two), failures, [first?.ID ?? ""]).failed).toBeUndefined();
  const spread = [task(1, "failed"), task(1, "failed"), task(2, "failed")];
  expect(look(service(two), spread).failed).toBeUndefined();
});

test("an update that pauses or rolls back is a failure with its message", () => {
  for (const State of ["paused", "rollback_started", "rollback_completed"]) {
    const state = look(service(two, { UpdateStatus: { State, Message: "task 1 failed" } }), []);
    expect(state.failed).toContain("task 1 failed");
  }
  expect(look(service(two, { UpdateStatus: { State: "completed" } }), []).failed).toBeUndefined();
});
