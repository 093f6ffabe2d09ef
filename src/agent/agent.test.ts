import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, Queue, seededRandom, silentLog } from "../lib/index.ts";
import { aNetwork, aService, aTask } from "../model/objects.fake.ts";
import type { NodeNetwork } from "../netstate/index.ts";
import type { AgentMessage, ManagerMessage } from "../rpc/index.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import { Agent, type AgentParts } from "./agent.ts";
import type { AssignedTask } from "./assignment-book.ts";

/** A whole agent on fakes: what a restart must not touch. */

let clock: FakeClock;
let kernel: FakeKernel;
let containers: FakeContainers;
let images: FakeImages;
let folder: string;
/** Every value that the kernel was asked for. */
let applied: NodeNetwork[];
let stops: AbortController[];

beforeEach(() => {
  clock = new FakeClock();
  images = new FakeImages();
  images.publish("redis:3.2", { Cmd: ["serve"] });
  containers = new FakeContainers({ images, clock });
  kernel = new FakeKernel();
  folder = mkdtempSync(join(tmpdir(), "shoal-agent-"));
  applied = [];
  stops = [];
});

afterEach(async () => {
  for (const stop of stops) stop.abort();
  await clock.advance(0);
  rmSync(folder, { recursive: true, force: true });
});

const task: AssignedTask = aTask(aService("web"), 1, {
  id: "task1234567890",
  nodeId: "n1",
  desiredState: "running",
  attachments: [{ networkId: "front", address: "10.0.1.5" }],
});
const NAMESPACE = `task-${task.id}`;

function assignments(): ManagerMessage {
  const network = aNetwork("front");
  const rows: readonly (readonly [string, unknown])[] = [
    [`task/${task.id}`, task],
    [
      "network/front",
      {
        ...{ id: "front", name: "front", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
        ...{ ingress: false, internal: network.spec.internal },
      },
    ],
    ["node/n1", { id: "n1", dataPathAddress: "192.0.2.1", addresses: { front: "10.0.1.3" } }],
    [`attachment/${task.id}`, { taskId: task.id, nodeId: "n1", addresses: { front: "10.0.1.5" } }],
  ];
  const upserts = rows.map(([key, value]) => ({ key, json: JSON.stringify(value) }));
  return { kind: "assignments", complete: true, appliesTo: 0, resultsIn: 1, upserts, removals: [] };
}

const welcome: ManagerMessage = {
  kind: "welcome",
  sessionId: "s",
  heartbeatPeriodMs: 5_000,
  managers: [],
  cluster: { id: "c", dataPathPort: 4789 },
};

/** Starts an agent; with `messages` a manager answers it, without none ever does. */
function startAgent(messages?: Queue<ManagerMessage>): { sent: AgentMessage[]; stop: AbortController } {
  const sent: AgentMessage[] = [];
  const stop = new AbortController();
  stops.push(stop);
  const recording: AgentParts["kernel"] = {
    apply(wanted) {
      applied.push(wanted);
      return kernel.apply(wanted);
    },
    sweep(wanted) {
      applied.push(wanted);
      return kernel.sweep(wanted);
    },
    watch: (signal, onChange) => kernel.watch(signal, onChange),
    destroy: () => kernel.destroy(),
  };
  const agent = new Agent({
    ...{ containers, images, kernel: recording, clock, random: seededRandom(3), log: silentLog },
    settings: {
      nodeId: "n1",
      dataPathAddress: "192.0.2.1",
      gatewaySubnet: "172.18.0.0/16",
      dataPathPort: 4789,
    },
    plan: { tag: "sh" },
    advertiseAddress: "192.0.2.1",
    managers: ["192.0.2.1:2377"],
    netnsDir: "/netns",
    assignmentsFile: join(folder, "assignments.json"),
    // TEST-NET-1: nothing can be bound there, so no socket is opened.
    dns: { address: "192.0.2.1", upstreams: [], search: [] },
    async connect() {
      if (messages === undefined) throw new Error("no manager answers");
      return { send: (message) => void sent.push(message), messages, close: () => messages.close() };
    },
    describe: () => ({
      ...{
        hostname: "n1",
        platform: { architecture: "x86_64", os: "linux" },
        engineVersion: "0",
        plugins: [],
      },
      ...{ resources: { nanoCpus: 1, memoryBytes: 1, generic: [] }, engineLabels: {} },
    }),
    onWelcome: () => undefined,
    onLeave: () => undefined,
  });
  void agent.run(stop.signal);
  return { sent, stop };
}

async function runOnce(): Promise<string> {
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(assignments());
  const { stop } = startAgent(messages);
  await clock.advance(2_000);
  const [running] = await containers.list();
  expect(running?.status).toBe("running");
  stop.abort();
  await clock.advance(0);
  return running?.id ?? "";
}

test("a restarted agent never takes the network from under a running container, with or without a manager", async () => {
  const id = await runOnce();
  applied = [];
  startAgent();
  await clock.advance(60_000);
  expect(applied.length).toBeGreaterThan(0);
  for (const wanted of applied) expect(Object.keys(wanted.namespaces)).toContain(NAMESPACE);
  expect((await containers.list()).map((c) => [c.id, c.status])).toEqual([[id, "running"]]);
});

test("unreadable assignments: nothing is touched until a manager has spoken, and then the container goes on", async () => {
  const id = await runOnce();
  writeFileSync(join(folder, "assignments.json"), "{torn");
  applied = [];
  const silent = startAgent();
  await clock.advance(60_000);
  expect(applied).toEqual([]);
  silent.stop.abort();
  await clock.advance(0);
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push(assignments());
  const { sent } = startAgent(messages);
  await clock.advance(2_000);
  for (const wanted of applied) expect(Object.keys(wanted.namespaces)).toContain(NAMESPACE);
  expect((await containers.list()).map((c) => [c.id, c.status])).toEqual([[id, "running"]]);
  const states = sent.flatMap((m) => (m.kind === "statuses" ? m.statuses.map((s) => s.status.state) : []));
  expect(states.at(-1)).toBe("running");
});

test("a disk that is full ends no session; what was saved before is not believed by the next daemon", async () => {
  const id = await runOnce();
  // As good as a full disk: the new file cannot be written.
  mkdirSync(join(folder, "assignments.json.new"));
  const messages = new Queue<ManagerMessage>();
  messages.push(welcome);
  messages.push({ ...(assignments() as Extract<ManagerMessage, { kind: "assignments" }>), upserts: [] });
  const { sent, stop } = startAgent(messages);
  await clock.advance(60_000);
  expect(sent.filter(({ kind }) => kind === "hello")).toHaveLength(1);
  expect(await containers.list()).toEqual([]);
  expect(readFileSync(join(folder, "assignments.json"), "utf8")).toBe("");
  stop.abort();
  await clock.advance(0);
  rmdirSync(join(folder, "assignments.json.new"));
  startAgent();
  await clock.advance(60_000);
  expect((await containers.list()).map((c) => c.id)).not.toContain(id);
  expect(await containers.list()).toEqual([]);
});

test("saved assignments that no network can be made of do not end the agent: a manager's word mends them", async () => {
  const message = assignments() as Extract<ManagerMessage, { kind: "assignments" }>;
  const bad = message.upserts.map(({ key, json }) => [key, json.replace("10.0.1.0/24", "nowhere")]);
  writeFileSync(join(folder, "assignments.json"), JSON.stringify(bad));
  const messages = new Queue<ManagerMessage>();
  const { sent } = startAgent(messages);
  await clock.advance(100);
  messages.push(welcome);
  messages.push(message);
  await clock.advance(15_000);
  expect(sent.filter(({ kind }) => kind === "hello")).toHaveLength(1);
  expect(Object.keys(applied.at(-1)?.namespaces ?? {})).toContain("net-front");
});
