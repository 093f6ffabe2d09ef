import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Node, PortSpec, Service, Task } from "../model/index.ts";
import { aNetwork, aNode, aRunning, aService, aTask, countingIds, T0 } from "../model/objects.fake.ts";
import { everythingOf, type View, viewOf, withChanges } from "../store/index.ts";
import { planSchedule } from "./scheduler.ts";

const decision = { now: T0, newId: countingIds() };
const pending = { status: { at: T0, state: "pending", message: "pending task scheduling" } } as const;

function needing(nanoCpus: number, memoryBytes: number): Service {
  const base = aService("web");
  const resources = { ...base.spec.task.resources, reservations: { nanoCpus, memoryBytes, generic: [] } };
  return aService("web", { task: { ...base.spec.task, resources } });
}

function waiting(service: Service, count: number): Task[] {
  return Array.from({ length: count }, (_, i) => aTask(service, i + 1, pending));
}

/** The tasks once placed; proves that planning again has nothing to say. */
function schedule(nodes: readonly Node[], tasks: readonly Task[]): Task[] {
  const before: View = viewOf({ node: nodes, task: tasks });
  const { changes } = planSchedule(before, decision, everythingOf(before));
  const after = withChanges(before, changes);
  expect(planSchedule(after, decision, everythingOf(after)).changes).toEqual([]);
  return tasks.map((task) => after.get("task", task.id)!);
}

const nodesOf = (tasks: readonly Task[]) => tasks.map((t) => t.nodeId);
const errorOf = (nodes: readonly Node[], task: Task) => schedule(nodes, [task])[0]?.status.error;

describe("fitness, in Docker's words", () => {
  const web = aService("web");
  const [task] = waiting(web, 1) as [Task];
  const paused = aNode("p", { spec: { labels: {}, role: "worker", availability: "pause" } });
  const drained = aNode("d", { spec: { labels: {}, role: "worker", availability: "drain" } });
  const down = aNode("x", { status: { state: "down", message: "", address: "" } });

  test.each([
    [[], "no suitable node"],
    [[paused], "no suitable node (1 node not available for new tasks)"],
    [[paused, drained, down], "no suitable node (3 nodes not available for new tasks)"],
  ])("%#", (nodes, words) => expect(errorOf(nodes, task)).toBe(words));

  test("resources: what is reserved counts, limits do not; the commonest reason first", () => {
    const [huge] = waiting(needing(0, 900e9), 1) as [Task];
    expect(errorOf([aNode("a"), aNode("b"), down], huge)).toBe(
      "no suitable node (insufficient resources on 2 nodes (memory); 1 node not available for new tasks)",
    );
    const half = waiting(needing(2e9, 0), 5);
    expect(nodesOf(schedule([aNode("a"), aNode("b")], half))).toEqual(["a", "b", "a", "b", undefined]);
  });

  test("a node that never told its resources takes only tasks that reserve none", () => {
    const { description: _, ...silent } = aNode("a");
    expect(errorOf([silent], waiting(needing(1, 0), 1)[0]!)).toBe(
      "no suitable node (insufficient resources on 1 node)",
    );
    expect(nodesOf(schedule([silent], [task]))).toEqual(["a"]);
  });

  test("who is on an encrypted network goes where the kernel can encrypt, or waits with the kernel's own word", () => {
    const dark = { ...aNetwork("dark", { driverOptions: { encrypted: "" } }), id: "dark" };
    const on = (networkId: string) =>
      aTask(web, 1, { ...pending, attachments: [{ networkId, address: "10.0.1.5" }] });
    const lack = "this kernel has no ESP with AES-GCM";
    const unable = aNode("a", { tunnelEnd: { boot: "b", lack } });
    const able = aNode("z", { tunnelEnd: { boot: "b", lack: "" } });
    const place = (nodes: readonly Node[], of: Task) => {
      const before = viewOf({ node: nodes, task: [of], network: [dark] });
      return withChanges(before, planSchedule(before, decision, everythingOf(before)).changes).get(
        "task",
        of.id,
      );
    };
    expect(place([unable, able], on("dark"))?.nodeId).toBe("z");
    expect(place([unable, able], on("front"))?.nodeId).toBe("a");
    expect(place([unable, aNode("b")], on("dark"))?.status.error).toBe(
      "no suitable node (encrypted networks not possible on 2 nodes (this kernel has no ESP with AES-GCM))",
    );
    // A global service's task has its node, and is not let onto it.
    const bound = place([unable], { ...on("dark"), nodeId: "a" });
    expect(bound?.status).toMatchObject({ state: "pending", error: expect.stringContaining(lack) });
  });

  test("a stopping task holds its reservation until it has stopped", () => {
    const big = needing(4e9, 0);
    const old = aRunning(big, 1, "a", { id: "old", desiredState: "shutdown" });
    const [next] = waiting(big, 1) as [Task];
    expect(nodesOf(schedule([aNode("a")], [old, next]))).toEqual(["a", undefined]);
    const ended = { ...old, status: { ...old.status, state: "shutdown" as const } };
    expect(nodesOf(schedule([aNode("a")], [ended, next]))).toEqual(["a", "a"]);
  });

  test.each([
    [[], true],
    [[{ architecture: "amd64", os: "linux" }], true],
    [[{ architecture: "arm64", os: "linux" }], false],
    [[{ architecture: "", os: "linux" }], true],
    [[{ architecture: "x86_64", os: "windows" }], false],
    [
      [
        { architecture: "arm64", os: "linux" },
        { architecture: "x86_64", os: "" },
      ],
      true,
    ],
  ])("platforms %j fit an x86_64 node: %s", (platforms, fits) => {
    const base = aService("web");
    const service = aService("web", {
      task: { ...base.spec.task, placement: { ...base.spec.task.placement, platforms } },
    });
    const [placed] = schedule([aNode("a")], waiting(service, 1));
    expect(placed?.nodeId).toBe(fits ? "a" : undefined);
    if (!fits) expect(placed?.status.error).toBe("no suitable node (unsupported platform on 1 node)");
  });

  test("a host port is had once a node, per protocol; the engine's choice (0) never clashes", () => {
    const withPort = (rest: Partial<PortSpec>) =>
      aService("web", {
        endpoint: {
          mode: "vip",
          ports: [{ name: "", protocol: "tcp", target: 80, published: 80, publishMode: "host", ...rest }],
        },
      });
    const three = schedule([aNode("a"), aNode("b")], waiting(withPort({}), 3));
    expect(nodesOf(three)).toEqual(["a", "b", undefined]);
    expect(three[2]?.status.error).toBe("no suitable node (host-mode port already in use on 2 nodes)");
    expect(nodesOf(schedule([aNode("a")], waiting(withPort({ published: 0 }), 2)))).toEqual(["a", "a"]);
    const udp = aTask(withPort({ protocol: "udp" }), 1, { ...pending, id: "udp" });
    expect(nodesOf(schedule([aNode("a")], [aRunning(withPort({}), 1, "a"), udp]))).toEqual(["a", "a"]);
  });
});

describe("spread", () => {
  test("fewest of the service first, then fewest tasks at all", () => {
    const web = aService("web");
    const other = aService("other");
    const placed = [aRunning(web, 9, "a"), aRunning(other, 1, "b"), aRunning(other, 2, "b")];
    const nodes = ["a", "b", "c"].map((id) => aNode(id));
    expect(nodesOf(schedule(nodes, [...placed, ...waiting(web, 2)])).slice(3)).toEqual(["c", "b"]);
  });

  test("a task that is told to stop does not count", () => {
    const web = aService("web");
    const stopping = [1, 2].map((slot) => aRunning(web, slot, "a", { desiredState: "shutdown" }));
    const tasks = [...stopping, aRunning(web, 3, "b"), ...waiting(web, 1)];
    expect(schedule([aNode("a"), aNode("b")], tasks).at(-1)?.nodeId).toBe("a");
  });

  test("evens out: no node has two more of a service than another that could take it", () => {
    const shape = fc.record({
      nodes: fc.integer({ min: 1, max: 6 }),
      services: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(shape, ({ nodes: count, services }) => {
        const nodes = Array.from({ length: count }, (_, i) => aNode(`n${i}`));
        const tasks = services.flatMap((replicas, i) => waiting(aService(`s${i}`), replicas));
        const placed = schedule(nodes, tasks);
        for (const [i] of services.entries()) {
          const held = nodes.map(
            (n) => placed.filter((t) => t.nodeId === n.id && t.serviceId === `svc-s${i}`).length,
          );
          expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
        }
        const all = nodes.map((n) => placed.filter((t) => t.nodeId === n.id).length);
        expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("never more than a node has, whatever is asked", () => {
    const ask = fc.record({ nanoCpus: fc.nat(3e9), memoryBytes: fc.nat(6e9) });
    fc.assert(
      fc.property(fc.array(ask, { maxLength: 12 }), fc.integer({ min: 1, max: 3 }), (asks, count) => {
        const nodes = Array.from({ length: count }, (_, i) => aNode(`n${i}`));
        const tasks = asks.map((a, i) =>
          aTask(needing(a.nanoCpus, a.memoryBytes), 1, { ...pending, id: `t${i}`, specVersion: i + 1 }),
        );
        const placed = schedule(nodes, tasks);
        for (const { id } of nodes) {
          const here = placed.filter((t) => t.nodeId === id).map((t) => t.spec.resources.reservations);
          expect(here.reduce((sum, r) => sum + r.nanoCpus, 0)).toBeLessThanOrEqual(4e9);
          expect(here.reduce((sum, r) => sum + r.memoryBytes, 0)).toBeLessThanOrEqual(8e9);
        }
        for (const task of placed) expect(task.nodeId === undefined).toBe(task.status.error !== undefined);
      }),
    );
  });

  test("a node where the service failed five times in five minutes comes last; its new words are not blamed", () => {
    const web = aService("web");
    const failed = Array.from({ length: 5 }, (_, i) =>
      aRunning(web, 1, "a", {
        id: `f${i}`,
        desiredState: "shutdown",
        status: { at: T0 - 60_000, state: "failed", message: "" },
      }),
    );
    const busy = [1, 2, 3].map((slot) => aRunning(web, slot, "b"));
    const nodes = [aNode("a"), aNode("b")];
    const next = (rest: Partial<Task> = {}) => aTask(web, 9, { ...pending, id: "next", ...rest });
    const placeOf = (tasks: Task[]) => schedule(nodes, tasks).find((t) => t.id === "next")?.nodeId;
    expect(placeOf([...failed, ...busy, next()])).toBe("b");
    expect(placeOf([...failed.slice(1), ...busy, next()])).toBe("a");
    expect(placeOf([...failed, ...busy, next({ specVersion: 2 })])).toBe("a");
    const longAgo = failed.map((t) => ({ ...t, endedAt: T0 - 301_000 }));
    expect(placeOf([...longAgo, ...busy, next()])).toBe("a");
  });
});

test("only wanted tasks that wait are placed, the oldest first", () => {
  const web = needing(4e9, 0);
  const tasks = [
    aTask(web, 1, { ...pending, createdAt: T0 + 2 }),
    aTask(web, 2, { ...pending, createdAt: T0 + 1 }),
    aTask(web, 3, { ...pending, desiredState: "shutdown", createdAt: T0 }),
    aTask(web, 4, { createdAt: T0 }),
  ];
  expect(nodesOf(schedule([aNode("a")], tasks))).toEqual([undefined, "a", undefined, undefined]);
});

test("a placed task forgets why it waited", () => {
  const [task] = waiting(aService("web"), 1) as [Task];
  const [placed] = schedule(
    [aNode("a")],
    [{ ...task, status: { ...task.status, error: "no suitable node" } }],
  );
  expect(placed?.status).toEqual({ at: T0, state: "assigned", message: "scheduler assigned task to node" });
});
