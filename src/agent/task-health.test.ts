import { beforeEach, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import type { PortSpec } from "../model/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { assigned, RunnerStage, sh } from "./runner-stage.fake.ts";
import { DRAIN_MS } from "./task-runner.ts";

/** Runners of tasks with a health check; and the reasons of ends. */

const HEALTH = {
  ...{ test: ["CMD-SHELL", "serve"], intervalMs: 60_000, timeoutMs: 30_000, startPeriodMs: 0 },
  ...{ startIntervalMs: 0, retries: 3 },
};
const STOPS = sh('trap "exit 7" TERM; serve');

let stage: RunnerStage;
let task: AssignedTask;

beforeEach(() => {
  stage = new RunnerStage();
  task = assigned({ health: HEALTH, args: STOPS });
});

async function told(status: "healthy" | "unhealthy", output = ""): Promise<void> {
  stage.containers.setHealth((await stage.theOnly()).id, status, output);
  await stage.clock.advance(0);
}

test("a task is STARTING until its container is healthy", async () => {
  stage.run(task);
  await stage.clock.advance(10_000);
  const { id, pid } = await stage.theOnly();
  expect(stage.states()).toEqual(["accepted", "preparing", "ready", "starting"]);
  expect(stage.last()).toMatchObject({ message: "starting", container: { id } });
  await told("healthy");
  expect(stage.last()).toMatchObject({ state: "running", message: "started", container: { id, pid } });
  await told("healthy");
  expect(stage.states().filter((state) => state === "running")).toHaveLength(1);
});

test("the image's health check counts like the user's; NONE turns it off", async () => {
  stage.images.publish(
    "redis:3.2",
    { Cmd: ["serve"], Healthcheck: { Test: ["CMD", "serve"] } },
    "with check",
  );
  stage.run(assigned());
  await stage.clock.advance(0);
  expect(stage.last()?.state).toBe("starting");
  const other = new RunnerStage();
  other.images.publish(
    "redis:3.2",
    { Cmd: ["serve"], Healthcheck: { Test: ["CMD", "serve"] } },
    "with check",
  );
  other.run(assigned({ health: { ...HEALTH, test: ["NONE"] } }));
  await other.clock.advance(0);
  expect(other.last()?.state).toBe("running");
});

test.each([
  ["before it was healthy", []],
  ["after it was healthy", ["healthy"] as const],
])("an unhealthy container is stopped, its task FAILED with what the probe said: %s", async (_, before) => {
  stage.run(task);
  await stage.clock.advance(0);
  for (const status of before) await told(status);
  await told("unhealthy", "\u001b[31mcurl: (7) refused\u001b[0m\nsecond line\n");
  expect(stage.last()).toMatchObject({
    state: "failed",
    error: "task: unhealthy container: curl: (7) refused second line",
    container: { exitCode: 7 },
  });
  expect((await stage.theOnly()).status).toBe("stopped");
  expect(stage.sandboxes.attached.size).toBe(0);
});

test("one that took traffic is given up before it is stopped, and stops when nobody sends to it, or it is silent for long", async () => {
  const attached = { ...task, attachments: [{ networkId: "front", address: "10.0.1.5" }] };
  const error = "task: unhealthy container: gone bad";
  const runner = stage.run(attached);
  await stage.clock.advance(0);
  await told("healthy");
  await told("unhealthy", "gone bad");
  expect(stage.last()).toMatchObject({ state: "running", error });
  await stage.clock.advance(DRAIN_MS - 1);
  expect((await stage.theOnly()).status).toBe("running");
  runner.drained();
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "failed", error, container: { exitCode: 7 } });
});

test("a probe that says nothing is told by its exit code; probes play for real", async () => {
  const health = { ...HEALTH, test: ["CMD", "sh", "-c", "exit 4"], intervalMs: 1_000, retries: 2 };
  stage.run(assigned({ health, args: STOPS }));
  await stage.clock.advance(1_500);
  expect(stage.last()?.state).toBe("starting");
  await stage.clock.advance(1_000);
  expect(stage.last()?.error).toBe("task: unhealthy container: health check exited with 4");
});

test.each([
  [0, ["running", "complete"], undefined],
  [3, ["failed"], "task: non-zero exit (3)"],
])("a container that ends with %i before it was healthy", async (code, states, error) => {
  stage.run(task);
  await stage.clock.advance(0);
  stage.reported = [];
  stage.containers.exit((await stage.theOnly()).id, code);
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(states);
  expect(stage.last()?.error).toBe(error);
});

test("a task that is told to stop before it is healthy is no endpoint: nothing is waited for", async () => {
  const attached = { ...task, attachments: [{ networkId: "front", address: "10.0.1.5" }] };
  const runner = stage.run(attached);
  await stage.clock.advance(0);
  runner.update({ ...attached, desiredState: "shutdown" });
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "shutdown", container: { exitCode: 7 } });
});

test.each([
  ["healthy", ["running"]],
  ["unhealthy", ["failed"]],
] as const)("a daemon that comes back to a %s container goes on with it", async (status, states) => {
  const earlier = stage.run(task);
  await stage.clock.advance(0);
  await told("healthy");
  earlier.abandon();
  await earlier.finished;
  if (status === "unhealthy") await told("unhealthy", "gone bad");
  stage.reported = [];
  stage.run(task, await stage.theOnly());
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(states);
});

test("a daemon that comes back to a container that was never healthy waits on", async () => {
  const found = await stage.earlierRun(task);
  stage.run(task, found);
  await stage.clock.advance(0);
  expect(stage.states()).toEqual(["starting"]);
  await told("healthy");
  expect(stage.last()?.state).toBe("running");
});

test("ports of the host are told while it runs", async () => {
  const ports: PortSpec[] = [
    { name: "", protocol: "tcp", target: 80, published: 61_000, publishMode: "host" },
  ];
  stage.sandboxes.ports = ports;
  stage.run({ ...task, attachments: [{ networkId: "front", address: "10.0.1.5" }] });
  await stage.clock.advance(0);
  expect(stage.last()?.ports).toBeUndefined();
  await told("healthy");
  expect(stage.last()?.ports).toEqual(ports);
  await told("unhealthy");
  expect(stage.last()).toMatchObject({ state: "running", error: expect.anything(), ports });
  await stage.clock.advance(DRAIN_MS);
  expect(stage.last()?.ports).toBeUndefined();
});

test("a job's task, wanted COMPLETE, runs", async () => {
  stage.run(assigned({ args: sh("exit 0") }, "complete"));
  await stage.clock.advance(0);
  expect(stage.states().slice(-2)).toEqual(["running", "complete"]);
});

test("an end by memory says so, with the limit", async () => {
  const limits = { nanoCpus: 0, pids: 0, memoryBytes: 64 * 2 ** 20 };
  stage.run({
    ...assigned(),
    spec: {
      ...task.spec,
      resources: { ...task.spec.resources, limits },
      container: assigned().spec.container,
    },
  });
  await stage.clock.advance(0);
  stage.containers.exit((await stage.theOnly()).id, 137, true);
  await stage.clock.advance(0);
  expect(stage.last()?.error).toBe("task: non-zero exit (137): out of memory (limit 64 MiB)");
});

test("a log that is not kept, or that cannot be read, leaves the exit code", async () => {
  const noLog = assigned({ args: sh("echo hidden; exit 1") });
  stage.run({ ...noLog, spec: { ...noLog.spec, log: { name: "none", options: {} } } });
  await stage.clock.advance(0);
  expect(stage.last()?.error).toBe("task: non-zero exit (1)");
  const stuck = new RunnerStage();
  stuck.containers.logs = async function* (_id, _options, signal) {
    yield* [];
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  stuck.run(assigned({ args: sh("echo x; exit 1") }));
  await stuck.clock.advance(0);
  expect(stuck.last()?.state).toBe("running");
  await stuck.clock.advance(2_000);
  expect(stuck.last()?.error).toBe("task: non-zero exit (1)");
});

test.each([
  ["unauthorized", "unauthorized", "pull access denied for redis, repository does not exist", ""],
  ["unavailable", "unavailable", 'Get "https://registry/v2/": connection refused', "cannot pull redis:3.2: "],
  ["wrong platform", "not-found", "no matching manifest for linux/amd64", "cannot pull redis:3.2: "],
] as const)("a pull that fails says what could not be pulled, and why: %s", async (_, kind, said, before) => {
  stage.images.ensure = async () => Promise.reject(new Fault(kind, said));
  stage.run(assigned({ image: "redis:3.2@sha256:1234" }));
  await stage.clock.advance(60_000);
  expect(stage.last()).toMatchObject({
    ...{ state: "rejected", error: `${before}${said}` },
    message: expect.stringMatching(/^preparing/),
  });
});

test("a pull that takes long is told", async () => {
  const { ensure } = stage.images;
  stage.images.ensure = async (...args) => {
    await new Promise<void>((resolve) => stage.clock.after(5_000, resolve));
    return ensure.apply(stage.images, args);
  };
  stage.run(assigned());
  await stage.clock.advance(4_000);
  expect(stage.last()).toMatchObject({ state: "preparing", message: "preparing: pulling redis:3.2" });
  await stage.clock.advance(1_000);
  expect(stage.last()?.state).toBe("running");
});

test("a container that cannot start is FAILED in Docker's and runc's words", async () => {
  stage.run(assigned({ args: ["nosuch"] }));
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({
    state: "failed",
    error:
      'starting container failed: OCI runtime create failed: exec: "nosuch": executable file not found in $PATH',
  });
});
