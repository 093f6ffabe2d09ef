import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GenericResource, Node, Placement, PortSpec, Service, Task, TaskSpec } from "../model/index.ts";
import { aContainer, aNode, aRunning, aService, aTask, countingIds, T0 } from "../model/objects.fake.ts";
import { everythingOf, viewOf, withChanges } from "../store/index.ts";
import { planSchedule } from "./scheduler.ts";

/* Where tasks go, by each filter and by spread preferences. */

const decision = { now: T0, newId: countingIds() };
const pending = { status: { at: T0, state: "pending", message: "pending task scheduling" } } as const;
const plain = aService("web").spec.task;

/** The tasks once placed; proves that planning again has nothing to say. */
function schedule(nodes: readonly Node[], tasks: readonly Task[]): Task[] {
  const before = viewOf({ node: nodes, task: tasks });
  const { changes } = planSchedule(before, decision, everythingOf(before));
  const after = withChanges(before, changes);
  expect(planSchedule(after, decision, everythingOf(after)).changes).toEqual([]);
  return tasks.map((task) => after.get("task", task.id)!);
}

function labelled(id: string, labels: Readonly<Record<string, string>>): Node {
  return aNode(id, { spec: { labels, role: "worker", availability: "active" } });
}

function placedBy(placement: Partial<Placement>, name = "web"): Service {
  return aService(name, { task: { ...plain, placement: { ...plain.placement, ...placement } } });
}

function waiting(service: Service, count: number): Task[] {
  return Array.from({ length: count }, (_, i) => aTask(service, i + 1, pending));
}

const nodesOf = (tasks: readonly Task[]) => tasks.map((t) => t.nodeId);
const errorOf = (nodes: readonly Node[], service: Service) =>
  schedule(nodes, waiting(service, 1))[0]?.status.error;

function countBy(tasks: readonly Task[], key: (task: Task) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const task of tasks) counts[key(task)] = (counts[key(task)] ?? 0) + 1;
  return counts;
}

describe("constraints", () => {
  const nodes = [labelled("a", { disk: "ssd" }), labelled("b", { disk: "hdd" }), labelled("c", {})];

  test.each([
    [["node.labels.disk==SSD"], ["a"]],
    [["node.labels.disk!=ssd"], ["b", "c"]],
    [["node.labels.disk!=ssd", "node.hostname!=c"], ["b"]],
    [["node.id==c"], ["c"]],
  ])("%j", (constraints, fit) => {
    const placed = schedule(nodes, waiting(placedBy({ constraints }), 6));
    expect(new Set(nodesOf(placed))).toEqual(new Set(fit));
  });

  test("that nobody meets are counted", () => {
    const drained = aNode("d", { spec: { labels: {}, role: "worker", availability: "drain" } });
    expect(errorOf([...nodes, drained], placedBy({ constraints: ["node.labels.disk==nvme"] }))).toBe(
      "no suitable node (scheduling constraints not satisfied on 3 nodes; 1 node not available for new tasks)",
    );
  });
});

test("max replicas per node is a limit for each node; the rest waits", () => {
  const placed = schedule([aNode("a"), aNode("b")], waiting(placedBy({ maxReplicas: 2 }), 5));
  expect(nodesOf(placed)).toEqual(["a", "b", "a", "b", undefined]);
  expect(placed[4]?.status.error).toBe("no suitable node (max replicas per node limit exceed)");
});

describe("plugins", () => {
  const has = (id: string, ...plugins: (readonly [string, string])[]): Node => {
    const node = aNode(id);
    return {
      ...node,
      description: { ...node.description!, plugins: plugins.map(([type, name]) => ({ type, name })) },
    };
  };
  const needing = (rest: Partial<TaskSpec>) => aService("web", { task: { ...plain, ...rest } });
  const volume = (driver: string) =>
    needing({
      container: {
        ...aContainer,
        mounts: [
          {
            type: "volume",
            source: "data",
            target: "/data",
            readOnly: false,
            noCopy: false,
            labels: {},
            driver,
            driverOptions: {},
          },
        ],
      },
    });

  test("a volume driver other than local must be on the node", () => {
    const nodes = [has("a", ["Volume", "local"]), has("b", ["Volume", "nfs:latest"])];
    expect(nodesOf(schedule(nodes, waiting(volume("nfs"), 2)))).toEqual(["b", "b"]);
    expect(nodesOf(schedule(nodes, waiting(volume("local"), 2)))).toEqual(["a", "b"]);
    expect(errorOf([has("a"), has("b", ["Network", "nfs"])], volume("nfs"))).toBe(
      "no suitable node (missing plugin on 2 nodes (nfs))",
    );
  });

  test("a log driver must be among those the node names; one that names none is believed", () => {
    const logs = needing({ log: { name: "json-file", options: {} } });
    expect(nodesOf(schedule([has("a", ["Log", "syslog"]), has("b")], waiting(logs, 2)))).toEqual(["b", "b"]);
    const quiet = needing({ log: { name: "none", options: {} } });
    expect(nodesOf(schedule([has("a", ["Log", "syslog"])], waiting(quiet, 1)))).toEqual(["a"]);
  });

  test("a task on a network needs the overlay driver", () => {
    const [task] = waiting(aService("web"), 1) as [Task];
    const attached = { ...task, attachments: [{ networkId: "net-front", address: "10.0.0.4" }] };
    expect(
      nodesOf(schedule([has("a", ["Network", "bridge"]), has("b", ["Network", "overlay"])], [attached])),
    ).toEqual(["b"]);
  });
});

describe("generic resources", () => {
  const withGeneric = (id: string, generic: readonly GenericResource[]): Node => {
    const node = aNode(id);
    const resources = { ...node.description!.resources, generic };
    return { ...node, description: { ...node.description!, resources } };
  };
  const wanting = (generic: readonly GenericResource[]) =>
    aService("web", {
      task: {
        ...plain,
        resources: { ...plain.resources, reservations: { ...plain.resources.reservations, generic } },
      },
    });
  const gpus = wanting([{ kind: "gpu", count: 2 }]);

  test("of a number a task gets a part, of a set names", () => {
    const nodes = [
      withGeneric("a", [{ kind: "gpu", count: 3 }]),
      withGeneric(
        "b",
        ["x", "y", "z"].map((id) => ({ kind: "gpu", id })),
      ),
    ];
    const placed = schedule(nodes, waiting(gpus, 3));
    expect(placed.map((t) => [t.nodeId, t.generic])).toEqual([
      ["a", [{ kind: "gpu", count: 2 }]],
      [
        "b",
        [
          { kind: "gpu", id: "x" },
          { kind: "gpu", id: "y" },
        ],
      ],
      [undefined, undefined],
    ]);
    expect(placed[2]?.status.error).toBe("no suitable node (insufficient resources on 2 nodes (gpu))");
  });

  test("what a task held is free once it has ended, not when it is told to stop", () => {
    const node = withGeneric(
      "a",
      ["x", "y"].map((id) => ({ kind: "gpu", id })),
    );
    const held = [
      { kind: "gpu", id: "x" },
      { kind: "gpu", id: "y" },
    ];
    const old = aRunning(gpus, 1, "a", { id: "old", generic: held, desiredState: "shutdown" });
    const [next] = waiting(gpus, 1) as [Task];
    expect(nodesOf(schedule([node], [old, next]))).toEqual(["a", undefined]);
    const ended = { ...old, status: { ...old.status, state: "shutdown" as const } };
    expect(schedule([node], [ended, next])[1]?.generic).toEqual(held);
  });

  test("a kind that the node has not is never there", () => {
    expect(errorOf([aNode("a")], wanting([{ kind: "fpga", count: 1 }]))).toBe(
      "no suitable node (insufficient resources on 1 node (fpga))",
    );
  });

  test("no name is held twice, whatever comes and goes", () => {
    const names = ["v", "w", "x", "y", "z"];
    const node = withGeneric(
      "a",
      names.map((id) => ({ kind: "gpu", id })),
    );
    const turn = fc.record({ ask: fc.integer({ min: 1, max: 3 }), ends: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
        let tasks: Task[] = [];
        for (const [i, { ask, ends }] of turns.entries()) {
          const service = wanting([{ kind: "gpu", count: ask }]);
          const fresh = aTask(service, 1, { ...pending, id: `t${i}`, specVersion: i, createdAt: T0 + i });
          tasks = schedule([node], [...tasks, fresh]);
          const held = tasks.flatMap((t) => t.generic ?? []);
          const live = tasks.filter((t) => t.nodeId !== undefined);
          expect(held.length).toBe(new Set(held.map((g) => ("id" in g ? g.id : ""))).size);
          expect(held.length).toBe(live.reduce((n, t) => n + (t.generic?.length ?? 0), 0));
          tasks = tasks.filter((t, at) => t.nodeId === undefined || at !== ends % tasks.length);
        }
      }),
    );
  });
});

describe("tasks with a node of their own (global services)", () => {
  const big = aService("agent", {
    mode: { kind: "global" },
    task: {
      ...plain,
      resources: { ...plain.resources, reservations: { nanoCpus: 3e9, memoryBytes: 0, generic: [] } },
    },
  });
  const born = (nodeId: string, rest: Partial<Task> = {}): Task =>
    aTask(big, 0, { ...pending, id: `agent-${nodeId}`, nodeId, ...rest });

  test("are confirmed there, or wait with the reason", () => {
    const busy = aRunning(aService("web", { task: big.spec.task }), 1, "b");
    const paused = aNode("c", { spec: { labels: {}, role: "worker", availability: "pause" } });
    const [one, two, three] = schedule(
      [aNode("a"), aNode("b"), paused],
      [born("a"), born("b"), born("c"), busy],
    );
    expect(one?.status).toEqual({
      at: T0,
      state: "assigned",
      message: "scheduler confirmed task can run on preassigned node",
    });
    expect([two?.status.state, two?.status.error]).toEqual([
      "pending",
      "insufficient resources on 1 node (cpu)",
    ]);
    expect([three?.status.state, three?.status.error]).toEqual([
      "pending",
      "1 node not available for new tasks",
    ]);
  });

  test("one that waits holds nothing; one without its node stays", () => {
    const two = [born("a"), born("a", { id: "second", createdAt: T0 + 1 })];
    expect(schedule([aNode("a")], two).map((t) => t.status.state)).toEqual(["assigned", "pending"]);
    expect(schedule([aNode("a")], [born("gone")])[0]?.status).toEqual(pending.status);
  });
});

describe("spread preferences", () => {
  const zones = (prefix: string, zone: string, count: number, more: Readonly<Record<string, string>> = {}) =>
    Array.from({ length: count }, (_, i) =>
      labelled(`${prefix}${i}`, zone === "" ? more : { zone, ...more }),
    );
  const byZone = placedBy({ preferences: [{ spread: "node.labels.zone" }] });

  test("even over the values of a label, however many nodes each has; those without it are a branch", () => {
    const nodes = [...zones("a", "east", 5), ...zones("b", "west", 1), ...zones("c", "", 2)];
    const placed = schedule(nodes, waiting(byZone, 9));
    expect(countBy(placed, (t) => t.nodeId?.[0] ?? "")).toEqual({ a: 3, b: 3, c: 3 });
    expect(countBy(placed, (t) => t.nodeId ?? "")).toMatchObject({ b0: 3 });
  });

  test("tasks that are there count, also on nodes that take no more", () => {
    const full = aNode("x", {
      spec: { labels: { zone: "east" }, role: "worker", availability: "pause" },
    });
    const old = [7, 8, 9].map((slot) => aRunning(byZone, slot, "x"));
    const placed = schedule(
      [full, ...zones("a", "east", 1), ...zones("b", "west", 1)],
      [...old, ...waiting(byZone, 4)],
    );
    expect(countBy(placed.slice(3), (t) => t.nodeId?.[0] ?? "")).toEqual({ a: 1, b: 3 });
  });

  test("a branch without room leaves its share to the others", () => {
    const service = placedBy({ preferences: [{ spread: "node.labels.zone" }], maxReplicas: 2 });
    const placed = schedule([...zones("a", "east", 1), ...zones("b", "west", 4)], waiting(service, 8));
    expect(countBy(placed, (t) => t.nodeId?.[0] ?? "")).toEqual({ a: 2, b: 6 });
  });

  test("engine labels spread too; words that name no label do not", () => {
    const node = (id: string, rack: string): Node => ({
      ...aNode(id),
      description: { ...aNode(id).description!, engineLabels: { rack } },
    });
    const nodes = [node("a0", "1"), node("a1", "1"), node("a2", "1"), node("b0", "2")];
    const by = (spread: string) =>
      countBy(
        schedule(nodes, waiting(placedBy({ preferences: [{ spread }] }), 4)),
        (t) => t.nodeId?.[0] ?? "",
      );
    expect(by("engine.labels.rack")).toEqual({ a: 2, b: 2 });
    expect(by("node.id")).toEqual({ a: 3, b: 1 });
  });

  test("nested: even at every level, as far as there is room", () => {
    const service = placedBy({
      preferences: [{ spread: "node.labels.zone" }, { spread: "node.labels.rack" }],
    });
    const shape = fc.array(fc.tuple(fc.constantFrom("x", "y", ""), fc.constantFrom("1", "2", "")), {
      minLength: 1,
      maxLength: 10,
    });
    const spreadOf = (counts: number[]) => Math.max(...counts) - Math.min(...counts);
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 30 }), (places, replicas) => {
        const nodes = places.map(([zone, rack], i) =>
          labelled(`n${i}`, { ...(zone !== "" && { zone }), ...(rack !== "" && { rack }) }),
        );
        const placed = schedule(nodes, waiting(service, replicas));
        const count = (of: (zone: string, rack: string, id: string) => boolean) =>
          placed.filter((t) => {
            const { labels } = nodes.find((n) => n.id === t.nodeId)!.spec;
            return of(labels["zone"] ?? "", labels["rack"] ?? "", t.nodeId ?? "");
          }).length;
        const values = [...new Set(places.map(([zone]) => zone))];
        expect(spreadOf(values.map((zone) => count((z) => z === zone)))).toBeLessThanOrEqual(1);
        for (const zone of values) {
          const racks = [...new Set(places.filter(([z]) => z === zone).map(([, rack]) => rack))];
          expect(
            spreadOf(racks.map((rack) => count((z, r) => z === zone && r === rack))),
          ).toBeLessThanOrEqual(1);
          for (const rack of racks) {
            const ids = places.flatMap(([z, r], i) => (z === zone && r === rack ? [`n${i}`] : []));
            expect(spreadOf(ids.map((id) => count((_, __, at) => at === id)))).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });
});

test("a full cluster is explained by what each node lacks first", () => {
  const port: PortSpec = { name: "", protocol: "tcp", target: 80, published: 80, publishMode: "host" };
  const service = aService("web", {
    endpoint: { mode: "vip", ports: [port] },
    task: {
      ...plain,
      resources: { ...plain.resources, reservations: { nanoCpus: 2e9, memoryBytes: 6e9, generic: [] } },
      placement: { ...plain.placement, constraints: ["node.labels.zone==a"], maxReplicas: 1 },
    },
  });
  const heavy = aRunning(aService("other", { task: service.spec.task }), 1, "full");
  const onPort = aRunning(aService("proxy", { endpoint: service.spec.endpoint }), 1, "taken");
  const nodes = [
    labelled("full", { zone: "a" }),
    labelled("taken", { zone: "a" }),
    labelled("far1", { zone: "b" }),
    labelled("far2", {}),
    aNode("down", { status: { state: "down", message: "", address: "" } }),
  ];
  expect(schedule(nodes, [heavy, onPort, ...waiting(service, 1)])[2]?.status.error).toBe(
    "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks; " +
      "insufficient resources on 1 node (memory); host-mode port already in use on 1 node)",
  );
});
