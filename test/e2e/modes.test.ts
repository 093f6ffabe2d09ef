import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Global services, jobs and planned drains by the stock CLI, whose exit codes and progress count. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("modes");
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

const docker = (...args: string[]) => swarm.docker("1", ...args);
const nameOf = (host: string) => `${swarm.lab.name}-${host}`;
const runs = (service: string, host: string) => swarm.containers(service, [host]);
const shown = async (service: string) => {
  const text = await docker(
    "service",
    "ls",
    "--filter",
    `name=${service}`,
    "--format",
    "{{.Mode}} {{.Replicas}}",
  );
  return text.split("\n")[0];
};
/** A job whose output has one line for each run; the CLI comes back once it is complete. */
const job = (name: string, mode: string, ...args: string[]) =>
  docker("service", "create", "--name", name, "--mode", mode, ...args);

test("a global service runs once on each node, follows its constraint, and leaves a drained node", async () => {
  await docker(
    "service",
    "create",
    "-q",
    "--name",
    "agent",
    "--mode",
    "global",
    "--constraint",
    "node.labels.off!=yes",
    "--stop-grace-period",
    "500ms",
    "busybox",
    "sleep",
    "1000",
  );
  expect(await shown("agent")).toBe("global 3/3");
  for (const host of ["1", "2", "3"]) expect(await runs("agent", host)).toHaveLength(1);
  await docker("node", "update", "--label-add", "off=yes", nameOf("2"));
  await docker("node", "update", "--availability", "drain", nameOf("3"));
  await eventually(20_000, "it has left both nodes", async () => {
    const left = await Promise.all(["2", "3"].map((host) => runs("agent", host)));
    return left.flat().length === 0;
  });
  await eventually(10_000, "its end is known", async () => (await shown("agent")) === "global 1/1");
  await docker("node", "update", "--label-rm", "off", nameOf("2"));
  await docker("node", "update", "--availability", "active", nameOf("3"));
  await swarm.replicas("agent", 3);
  await docker("service", "update", "-q", "--force", "agent");
  expect(await docker("service", "inspect", "--format", "{{.UpdateStatus.State}}", "agent")).toBe(
    "completed",
  );
});

test("a replicated job completes as often as asked, each update runs it anew, and no completed run is repeated", async () => {
  await job(
    "batch",
    "replicated-job",
    "--replicas",
    "4",
    "--max-concurrent",
    "2",
    "busybox",
    "sh",
    "-c",
    "echo ran",
  );
  expect(await shown("batch")).toMatch(/^replicated job 0\/\d \(4\/4 completed\)$/);
  expect((await docker("service", "logs", "--raw", "batch")).split("\n")).toEqual(Array(4).fill("ran"));
  await docker("service", "scale", "batch=2");
  expect(await shown("batch")).toMatch(/\(2\/2 completed\)$/);
  expect(await docker("service", "inspect", "--format", "{{.JobStatus.JobIteration.Index}}", "batch")).toBe(
    "1",
  );
  const states = await swarm.ps("batch", "{{.DesiredState}} {{.CurrentState}}");
  expect(states.every((state) => state.startsWith("Complete Complete "))).toBe(true);
});

test("a global job that fails is tried as often as its policy says, on each node", async () => {
  await job(
    "bad",
    "global-job",
    "-d",
    "--restart-max-attempts",
    "1",
    "--restart-delay",
    "100ms",
    "busybox",
    "sh",
    "-c",
    "exit 3",
  );
  await eventually(20_000, "each node tried twice", async () => {
    const nodes = await swarm.ps("bad", "{{.Node}} {{.CurrentState}}");
    return nodes.length === 6 && nodes.every((row) => row.includes("Failed"));
  });
  await job("good", "global-job", "busybox", "true");
  expect(await shown("good")).toMatch(/\(3\/3 completed\)$/);
  expect(await swarm.ps("bad", "{{.ID}}")).toHaveLength(6);
});

test("a planned drain of a start-first service never has fewer running than asked", async () => {
  await swarm.service(
    "web",
    "--replicas",
    "6",
    "--update-order",
    "start-first",
    "--stop-grace-period",
    "1s",
    "shoal/probe",
  );
  const running = async () =>
    (await swarm.ps("web", "{{.CurrentState}}")).filter((s) => s.startsWith("Running"));
  const counts: number[] = [];
  await docker("node", "update", "--availability", "drain", nameOf("2"));
  await eventually(30_000, "the node is empty", async () => {
    counts.push((await running()).length);
    return (await runs("web", "2")).length === 0;
  });
  counts.push((await running()).length);
  expect(Math.min(...counts)).toBe(6);
  expect(await swarm.ps("web", "{{.Node}}", "--filter", "desired-state=running")).not.toContain(nameOf("2"));
  await docker("node", "update", "--availability", "active", nameOf("2"));
});

test("a drain with no other place keeps the old task, and the waiting one says why", async () => {
  await docker("node", "update", "--label-add", "only=yes", nameOf("3"));
  await swarm.service(
    "tied",
    "--update-order",
    "start-first",
    "--constraint",
    "node.labels.only==yes",
    "busybox",
    "sleep",
    "1000",
  );
  await docker("node", "update", "--availability", "drain", nameOf("3"));
  await eventually(10_000, "the successor says why it waits", async () => {
    const rows = await swarm.ps("tied", "{{.CurrentState}} {{.Error}}");
    return rows.some((row) => row.startsWith("Pending") && /not available for new tasks/.test(row));
  });
  expect(await runs("tied", "3")).toHaveLength(1);
  await docker("node", "update", "--availability", "active", nameOf("3"));
  await eventually(10_000, "only the old one is left", async () => {
    const wanted = await swarm.ps("tied", "{{.CurrentState}}", "--filter", "desired-state=running");
    return wanted.length === 1 && wanted[0]?.startsWith("Running");
  });
});
