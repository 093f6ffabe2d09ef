import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Queue } from "../lib/index.ts";
import { aContainer, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import type { ManagerMessage } from "../rpc/index.ts";
import { AgentMachine, assignmentsFor, type StartedAgent, welcome } from "./agent.fake.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { DRAIN_MS } from "./task-runner.ts";

/** An agent that is told to stop a task, by a manager that a test plays: when the signal goes, and what it answers. */

let machine: AgentMachine;
let says: Queue<ManagerMessage>;
let agent: StartedAgent;

beforeEach(() => {
  machine = new AgentMachine();
});
afterEach(() => machine.close());

const args = ["sh", "-c", 'trap "exit 0" TERM; serve'];
const spec = { ...aTaskSpec, container: { ...aContainer, args } };
const onFront: AssignedTask = aTask(aService("web", { task: spec }), 1, {
  id: "task1234567890",
  nodeId: "n1",
  desiredState: "running",
  attachments: [{ networkId: "front", address: "10.0.1.5" }],
});
const alone: AssignedTask = { ...onFront, attachments: [] };
const drained: ManagerMessage = { kind: "drained", taskIds: [onFront.id] };

/** The difference that makes set `resultsIn` of the one before: the task as it is wanted now. */
function difference(task: AssignedTask, resultsIn: number, removals: string[] = []): ManagerMessage {
  const upserts = [{ key: `task/${task.id}`, json: JSON.stringify(task) }];
  return { kind: "assignments", complete: false, appliesTo: resultsIn - 1, resultsIn, upserts, removals };
}

const endpointRow = {
  key: `endpoint/${onFront.id}`,
  json: JSON.stringify({
    ...{ taskId: onFront.id, nodeId: "n1", addresses: { front: "10.0.1.5" } },
    ...{ serviceId: onFront.serviceId, name: "web.1" },
  }),
};

/** An agent that runs the task as an endpoint. */
async function started(task: AssignedTask): Promise<void> {
  await begin(assignmentsFor(task));
  says.push({
    kind: "assignments",
    ...{ complete: false, appliesTo: 1, resultsIn: 2, upserts: [endpointRow], removals: [] },
  });
  await machine.clock.advance(100);
  expect(await status()).toBe("running");
}

async function begin(first: ManagerMessage): Promise<void> {
  says = new Queue();
  agent = machine.start(says);
  says.push(welcome);
  says.push(first);
  await machine.clock.advance(100);
}

async function tell(message: ManagerMessage): Promise<void> {
  says.push(message);
  await machine.clock.advance(0);
}

const status = async () => (await machine.containers.list())[0]?.status;
const answers = () => agent.sent.flatMap((m) => (m.kind === "applied" ? [m.sequence] : []));
const lastState = () =>
  agent.sent.flatMap((m) => (m.kind === "statuses" ? m.statuses.map((s) => s.status.state) : [])).at(-1);

const stopping = (task: AssignedTask, desiredState: "shutdown" | "remove" = "shutdown") =>
  difference({ ...task, desiredState }, 3, [endpointRow.key]);

describe("a task that took connections", () => {
  test.each(["shutdown", "remove"] as const)(
    "that must go to %s runs until it is drained",
    async (desired) => {
      await started(onFront);
      await tell(stopping(onFront, desired));
      await machine.clock.advance(DRAIN_MS - 1_000);
      expect(await status()).toBe("running");
      await tell(drained);
      expect(await status()).toBe("stopped");
      expect(lastState()).toBe("shutdown");
    },
  );

  test("keeps its network until its process has ended", async () => {
    await started(onFront);
    await tell(stopping(onFront));
    for (const wanted of machine.applied.slice(-3))
      expect(Object.keys(wanted.namespaces)).toContain(`task-${onFront.id}`);
    await tell(drained);
    await machine.clock.advance(100);
    expect(Object.keys(machine.applied.at(-1)?.namespaces ?? {})).not.toContain(`task-${onFront.id}`);
  });

  test("is not kept waiting by a manager that says nothing", async () => {
    await started(onFront);
    await tell(stopping(onFront));
    says.close();
    await machine.clock.advance(DRAIN_MS + 100);
    expect(await status()).toBe("stopped");
  });

  test("that ends by itself meanwhile is reported at once", async () => {
    await started(onFront);
    await tell(stopping(onFront));
    machine.containers.exit((await machine.containers.list())[0]!.id, 0);
    await machine.clock.advance(0);
    expect(lastState()).toBe("shutdown");
  });

  test("that is not assigned any more goes at once: nobody would say that it is drained", async () => {
    await started(onFront);
    await tell({
      ...{ kind: "assignments", complete: false, appliesTo: 2, resultsIn: 3, upserts: [] },
      removals: [`task/${onFront.id}`, endpointRow.key, `attachment/${onFront.id}`],
    });
    await machine.clock.advance(0);
    expect(await status()).toBeUndefined();
  });

  test("waits also when the agent starts anew in the middle", async () => {
    await started(onFront);
    await tell(stopping(onFront));
    agent.stop.abort();
    await machine.clock.advance(0);
    await begin(assignmentsFor({ ...onFront, desiredState: "shutdown" }));
    await machine.clock.advance(1_000);
    expect(await status()).toBe("running");
    await tell(drained);
    expect(await status()).toBe("stopped");
  });
});

test("a task that nobody could send to does not wait", async () => {
  await started(alone);
  await tell(stopping(alone));
  expect(await status()).toBe("stopped");
});

describe("an answer to a set", () => {
  test("says that the kernel works by it, not before", async () => {
    await begin(assignmentsFor(onFront));
    expect(answers()).toEqual([1]);
    let release = () => {};
    machine.hold = new Promise((resolve) => {
      release = resolve;
    });
    await tell({
      ...{ kind: "assignments", complete: false, appliesTo: 1, resultsIn: 2 },
      ...{ upserts: [endpointRow], removals: [] },
    });
    await machine.clock.advance(1_000);
    expect(answers()).toEqual([1]);
    release();
    await machine.clock.advance(0);
    expect(answers()).toEqual([1, 2]);
  });

  test("comes at once when nothing of the network changed, but not before earlier sets are in force", async () => {
    await started(onFront);
    await tell(difference(onFront, 3));
    expect(answers().at(-1)).toBe(3);
    let release = () => {};
    machine.hold = new Promise((resolve) => {
      release = resolve;
    });
    await tell({
      ...{ kind: "assignments", complete: false, appliesTo: 3, resultsIn: 4 },
      ...{ upserts: [], removals: [endpointRow.key] },
    });
    await tell(difference(onFront, 5));
    expect(answers().at(-1)).toBe(3);
    release();
    await machine.clock.advance(0);
    expect(answers().at(-1)).toBe(5);
  });

  test("for a set that came while the kernel was busy waits for one more round; the earlier ones are answered", async () => {
    await started(onFront);
    let release = () => {};
    machine.hold = new Promise((resolve) => {
      release = resolve;
    });
    await tell({
      ...{ kind: "assignments", complete: false, appliesTo: 2, resultsIn: 3 },
      ...{ upserts: [], removals: [endpointRow.key] },
    });
    let releaseNext = () => {};
    const next = new Promise<void>((resolve) => {
      releaseNext = resolve;
    });
    await tell({
      ...{ kind: "assignments", complete: false, appliesTo: 3, resultsIn: 4 },
      ...{ upserts: [endpointRow], removals: [] },
    });
    machine.hold = next;
    release();
    await machine.clock.advance(0);
    expect(answers().at(-1)).toBe(3);
    releaseNext();
    await machine.clock.advance(0);
    expect(answers().at(-1)).toBe(4);
  });
});
