import { afterAll, beforeAll, expect, test } from "vitest";
import { killHost, startHost } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** Nodes by the stock CLI: drained, paused, lost, removed, and let in by tokens that may be rotated. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("nodes");
  await swarm.service("web", "--replicas", "6", "shoal/probe");
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

const node = (...args: string[]) => swarm.docker("1", "node", ...args);
const nameOf = (host: string) => `${swarm.lab.name}-${host}`;
const tasksOn = async (host: string) => (await swarm.containers("web", [host])).map((c) => c.taskId).sort();

/** The nodes as `docker node ls` shows them: host name → status and availability. */
async function nodes(): Promise<Record<string, string>> {
  const text = await node("ls", "--format", "{{.Hostname}}|{{.Status}} {{.Availability}}");
  return Object.fromEntries(text.split("\n").map((row) => row.split("|") as [string, string]));
}

const stateOf = (host: string) => swarm.docker(host, "info", "--format", "{{.Swarm.LocalNodeState}}");
const token = (role: string, ...flags: string[]) =>
  swarm.docker("1", "swarm", "join-token", "-q", ...flags, role);

test("drain moves a node's tasks away, active alone brings none back", async () => {
  expect(await tasksOn("2")).toHaveLength(2);
  await node("update", "--availability", "drain", nameOf("2"));
  await eventually(15_000, "six run on the other two", async () => {
    const counts = await Promise.all(["1", "2", "3"].map(async (host) => (await tasksOn(host)).length));
    expect(counts).toEqual([3, 0, 3]);
    return true;
  });
  await swarm.replicas("web", 6);
  expect((await nodes())[nameOf("2")]).toBe("Ready Drain");
  await node("update", "--availability", "active", nameOf("2"));
  expect((await nodes())[nameOf("2")]).toBe("Ready Active");
  await swarm.docker("1", "service", "scale", "-d", "web=8");
  await swarm.replicas("web", 8);
  expect(await tasksOn("2")).toHaveLength(2);
});

test("a paused node keeps its tasks and gets no new ones", async () => {
  const before = await tasksOn("3");
  await node("update", "--availability", "pause", nameOf("3"));
  await swarm.docker("1", "service", "scale", "-d", "web=12");
  await swarm.replicas("web", 12);
  expect(await tasksOn("3")).toEqual(before);
  await node("update", "--availability", "active", nameOf("3"));
  await swarm.docker("1", "service", "scale", "-d", "web=6");
  await swarm.replicas("web", 6);
});

test("node inspect, node ps and labels", async () => {
  await node("update", "--label-add", "zone=left", nameOf("2"));
  expect(
    await node(
      "inspect",
      "--format",
      "{{.Spec.Labels.zone}} {{.Status.Addr}} {{.Description.Platform.OS}}",
      nameOf("2"),
    ),
  ).toBe(`left ${swarm.ip("2")} linux`);
  expect(await node("inspect", "--format", "{{.ManagerStatus.Leader}} {{.ManagerStatus.Addr}}", "self")).toBe(
    `true ${swarm.ip("1")}:2377`,
  );
  const listed = (
    await node("ps", "--filter", "desired-state=running", "--format", "{{.Node}} {{.Name}}", nameOf("2"))
  ).split("\n");
  expect(listed).toHaveLength((await tasksOn("2")).length);
  expect(listed.every((row) => row.startsWith(`${nameOf("2")} web.`))).toBe(true);
  const { stderr } = await swarm.try("1", "node", "update", "--availability", "asleep", nameOf("2"));
  expect(stderr).toMatch(/invalid availability/i);
});

test("a live node cannot be removed, a down one can; what ran there runs elsewhere", async () => {
  const live = await swarm.try("1", "node", "rm", nameOf("3"));
  expect(live.code).toBe(1);
  expect(live.stderr).toMatch(/node \w{25} is not down and can't be removed/);
  await killHost(swarm.lab, "3", systemClock);
  await eventually(30_000, "it is down", async () => (await nodes())[nameOf("3")]?.startsWith("Down"));
  await node("rm", nameOf("3"));
  expect(Object.keys(await nodes()).sort()).toEqual([nameOf("1"), nameOf("2")]);
  await swarm.replicas("web", 6);
  expect((await tasksOn("1")).length + (await tasksOn("2")).length).toBe(6);
});

test("a removed node that comes back leaves by itself, and may join anew", async () => {
  await startHost(swarm.lab, "3", hostParts);
  expect(Object.keys(await nodes()).sort()).toEqual([nameOf("1"), nameOf("2")]);
  await eventually(15_000, "its old tasks do not run", async () => (await tasksOn("3")).length === 0);
  await eventually(10_000, "it is in no swarm any more", async () => (await stateOf("3")) === "inactive");
  await swarm.docker("3", "swarm", "join", "--token", await token("worker"), `${swarm.ip("1")}:2377`);
  await eventually(10_000, "it is ready", async () => (await nodes())[nameOf("3")] === "Ready Active");
});

test("--force removes a live node, which leaves by itself; its tasks run elsewhere", async () => {
  await node("rm", "--force", nameOf("2"));
  expect(Object.keys(await nodes()).sort()).toEqual([nameOf("1"), nameOf("3")]);
  await eventually(
    20_000,
    "six run on the others",
    async () => (await tasksOn("1")).length + (await tasksOn("3")).length === 6,
  );
  await eventually(20_000, "none runs there any more", async () => (await tasksOn("2")).length === 0);
  await eventually(10_000, "it is in no swarm any more", async () => (await stateOf("2")) === "inactive");
});

test("a rotated token no longer lets in, the new one does; the other role's is left alone", async () => {
  const [worker, manager] = [await token("worker"), await token("manager")];
  const rotated = await token("worker", "--rotate");
  expect(rotated).not.toBe(worker);
  expect(rotated.split("-").slice(0, 3)).toEqual(worker.split("-").slice(0, 3));
  expect([await token("worker"), await token("manager")]).toEqual([rotated, manager]);
  const join = (secret: string) =>
    swarm.try("2", "swarm", "join", "--token", secret, `${swarm.ip("1")}:2377`);
  const late = await join(worker);
  expect([late.code, late.stderr]).toEqual([1, expect.stringMatching(/valid join token/)]);
  expect(await join(rotated)).toMatchObject({ code: 0, stdout: "This node joined a swarm as a worker.\n" });
  await eventually(10_000, "it is ready", async () => (await nodes())[nameOf("2")] === "Ready Active");
  const words = await swarm.docker("1", "swarm", "join-token", "worker");
  expect(words).toContain(`docker swarm join --token ${rotated} ${swarm.ip("1")}:2377`);
});

test("a node that leaves is down at once, and its tasks run elsewhere", async () => {
  await swarm.docker("1", "service", "update", "-d", "--force", "web");
  await eventually(20_000, "host 2 has tasks", async () => (await tasksOn("2")).length > 0);
  await eventually(
    20_000,
    "the update is over",
    async () =>
      (await swarm.docker("1", "service", "inspect", "--format", "{{.UpdateStatus.State}}", "web")) ===
      "completed",
  );
  await swarm.docker("2", "swarm", "leave");
  // Long before its silence would say so.
  await eventually(3_000, "it is down", async () => (await nodes())[nameOf("2")]?.startsWith("Down"));
  await eventually(
    10_000,
    "six run on the others",
    async () => (await tasksOn("1")).length + (await tasksOn("3")).length === 6,
  );
});
