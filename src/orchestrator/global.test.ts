import { describe, expect, test } from "vitest";
import {
  DEFAULT_UPDATE,
  type Node,
  type Plan,
  type Service,
  type ServiceSpec,
  type Task,
  type TaskState,
} from "../model/index.ts";
import { aNode, aRunning, aService, aTaskSpec, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { planGlobal } from "./global.ts";

const nodes = [aNode("n1"), aNode("n2"), aNode("n3")];

function global(spec: Partial<ServiceSpec> = {}, rest: Partial<Service> = {}): Service {
  return aService("web", { mode: { kind: "global" }, ...spec }, rest);
}

function on(nodeId: string, service: Service, rest: Partial<Task> = {}): Task {
  return aRunning(service, 0, nodeId, { id: `old-${nodeId}`, ...rest });
}

function plan(service: Service, tasks: Task[], at: Node[] = nodes): Plan {
  const view = viewOf({ service: [service], task: tasks, node: at });
  return planGlobal(view, service, { now: T0, newId: countingIds() });
}

/** What becomes of the service's tasks, by node. */
function lines({ changes }: Plan): string[] {
  return changes.map((change) => {
    if (change.op !== "put" || change.kind !== "task") return change.kind;
    const { id, nodeId, desiredState, after } = change.object;
    return `${id} on ${nodeId}: ${desiredState}${after === undefined ? "" : ` after ${after}`}`;
  });
}

const ended = (state: TaskState) => ({ status: { at: T0, state, message: "" } });
const available = (availability: Node["spec"]["availability"], labels = {}) => ({
  spec: { role: "worker" as const, labels, availability },
});
const down = { status: { state: "down" as const, message: "", address: "", downAt: T0 } };
const placed = (placement: Partial<ServiceSpec["task"]["placement"]>) => ({
  task: { ...aTaskSpec, placement: { ...aTaskSpec.placement, ...placement } },
});

describe("planGlobal()", () => {
  test("one task a node, which knows its node from birth", () => {
    const web = global();
    expect(lines(plan(web, [on("n2", web)]))).toEqual(["id-1 on n1: running", "id-2 on n3: running"]);
    expect(lines(plan(web, [on("n1", web), on("n2", web), on("n3", web)]))).toEqual([]);
  });

  test("only nodes that are up, not drained or paused, of its constraints and its platforms", () => {
    const at = [
      aNode("down", down),
      aNode("drained", available("drain")),
      aNode("paused", available("pause")),
      aNode("ssd", available("active", { disk: "ssd" })),
      aNode("disk", available("active", { disk: "hdd" })),
    ];
    expect(lines(plan(global(placed({ constraints: ["node.labels.disk==ssd"] })), [], at))).toEqual([
      "id-1 on ssd: running",
    ]);
    const arm = placed({ platforms: [{ architecture: "arm64", os: "linux" }] });
    expect(lines(plan(global(arm), [], at))).toEqual([]);
  });

  test.each([
    ["down", down],
    ["drained", available("drain")],
    ["outside its constraints", available("active", { disk: "hdd" })],
  ])("a node that is %s loses its task, and no other gets one", (_, change) => {
    const web = global(placed({ constraints: ["node.labels.disk!=hdd"] }));
    const at = [aNode("n1", change), aNode("n2")];
    expect(lines(plan(web, [on("n1", web), on("n2", web)], at))).toEqual(["old-n1 on n1: shutdown"]);
  });

  test("a paused node keeps what it has; what ended there is not followed until it is active again", () => {
    const web = global();
    const paused = [aNode("n1", available("pause"))];
    expect(lines(plan(web, [on("n1", web)], paused))).toEqual([]);
    expect(lines(plan(web, [on("n1", web, ended("failed"))], paused))).toEqual(["old-n1 on n1: shutdown"]);
    const gone = on("n1", web, { ...ended("failed"), desiredState: "shutdown" });
    expect(lines(plan(web, [gone], paused))).toEqual([]);
    expect(lines(plan(web, [gone], [aNode("n1")]))).toEqual(["id-1 on n1: running"]);
  });

  test("a node that comes back waits for its old task to stop before the new one runs", () => {
    const web = global();
    const old = on("n1", web, { desiredState: "shutdown" });
    expect(lines(plan(web, [old], [aNode("n1")]))).toEqual(["id-1 on n1: ready after old-n1"]);
  });

  test("what stopped before its node was told of it is not waited for", () => {
    const web = global();
    const never = on("n1", web, { ...ended("pending"), desiredState: "shutdown" });
    expect(lines(plan(web, [never], [aNode("n1")]))).toEqual(["id-1 on n1: running"]);
  });

  test("a failed task is followed on its own node, after the delay", () => {
    const web = global();
    expect(lines(plan(web, [on("n1", web, ended("failed"))], [aNode("n1")]))).toEqual([
      "old-n1 on n1: shutdown",
      "id-1 on n1: ready after old-n1",
    ]);
  });

  test("a waiting task is let go on a paused node too", () => {
    const web = global();
    const waiting = on("n1", web, { ...ended("ready"), desiredState: "ready" });
    expect(lines(plan(web, [waiting], [aNode("n1", available("pause"))]))).toEqual(["old-n1 on n1: running"]);
  });

  test("a node with too little left stops the task at once, whatever the update order: there is one node", () => {
    const reservations = { nanoCpus: 8e9, memoryBytes: 0, generic: [] };
    const task = { ...aTaskSpec, resources: { ...aTaskSpec.resources, reservations } };
    const web = global({ task, update: { ...DEFAULT_UPDATE, order: "start-first" } });
    expect(lines(plan(web, [on("n1", web)], [aNode("n1")]))).toEqual([
      "old-n1 on n1: shutdown",
      "id-1 on n1: ready after old-n1",
    ]);
  });

  test("attempts are counted for each node", () => {
    const restart = { ...aTaskSpec.restart, maxAttempts: 1 };
    const web = global({ task: { ...aTaskSpec, restart } });
    const before = on("n1", web, {
      id: "first",
      createdAt: T0 - 9,
      ...ended("failed"),
      desiredState: "shutdown",
    });
    const again = on("n1", web, { ...ended("failed"), restarts: [T0] });
    const tasks = [before, again, on("n2", web, ended("failed"))];
    expect(lines(plan(web, tasks, [aNode("n1"), aNode("n2")]))).toEqual([
      "old-n1 on n1: shutdown",
      "old-n2 on n2: shutdown",
      "id-1 on n2: ready after old-n2",
    ]);
  });

  test("an update goes over the nodes as over slots, paused ones left out", () => {
    const old = global();
    const web = global(
      { task: { ...aTaskSpec, forceUpdate: 1 } },
      { specVersion: 2, updateStatus: { state: "updating", startedAt: T0 - 9, message: "" } },
    );
    const at = [aNode("n1"), aNode("n2"), aNode("n3", available("pause"))];
    const tasks = ["n1", "n2", "n3"].map((id) => on(id, old, { createdAt: T0 - 99 }));
    expect(lines(plan(web, tasks, at))).toEqual(["old-n1 on n1: shutdown", "id-1 on n1: ready after old-n1"]);
  });

  test("of a removed node not even records stay", () => {
    const web = global();
    const tasks = [on("gone", web), on("gone", web, { id: "older", createdAt: T0 - 9, ...ended("failed") })];
    expect(lines(plan(web, tasks, [aNode("n1")]))).toEqual([
      "old-gone on gone: remove",
      "older on gone: remove",
      "id-1 on n1: running",
    ]);
  });
});
