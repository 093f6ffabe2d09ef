import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AgentMessageSchema, ManagerMessageSchema } from "../gen/shoal/rpc_pb.ts";
import { FAULT_KINDS } from "../lib/index.ts";
import { type GuestWish, type NodeDescription, TASK_STATES, type TaskStatus } from "../model/index.ts";
import { agentFromWire, agentToWire } from "./convert-agent.ts";
import { managerFromWire, managerToWire } from "./convert-manager.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";

/** Through the bytes and back. */
function travelAgent(message: AgentMessage): AgentMessage | undefined {
  const bytes = toBinary(AgentMessageSchema, create(AgentMessageSchema, agentToWire(message)));
  return agentFromWire(fromBinary(AgentMessageSchema, bytes));
}

function travelManager(message: ManagerMessage): ManagerMessage | undefined {
  const bytes = toBinary(ManagerMessageSchema, create(ManagerMessageSchema, managerToWire(message)));
  return managerFromWire(fromBinary(ManagerMessageSchema, bytes));
}

const text = fc.string({ unit: "grapheme", maxLength: 60 });
const id = fc.stringMatching(/^[a-z0-9]{1,25}$/);
const amount = fc.maxSafeNat();
const nanos = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const small = fc.nat({ max: 2 ** 31 });

const port = fc.record({
  name: text,
  protocol: fc.constantFrom("tcp", "udp", "sctp"),
  target: fc.nat({ max: 65_535 }),
  published: fc.nat({ max: 65_535 }),
  publishMode: fc.constantFrom("ingress", "host"),
});

const status: fc.Arbitrary<TaskStatus> = fc.record(
  {
    at: amount,
    state: fc.constantFrom(...TASK_STATES),
    message: text,
    error: text,
    container: fc.record(
      { id, pid: amount, exitCode: fc.integer({ min: -1, max: 255 }) },
      { requiredKeys: ["id", "pid"] },
    ),
    ports: fc.array(port, { maxLength: 4 }),
  },
  { requiredKeys: ["at", "state", "message"] },
);

const generic = fc.oneof(fc.record({ kind: text, count: amount }), fc.record({ kind: text, id: text }));

const description: fc.Arbitrary<NodeDescription> = fc.record({
  hostname: text,
  platform: fc.record({ architecture: text, os: text }),
  resources: fc.record({
    nanoCpus: amount,
    memoryBytes: amount,
    generic: fc.array(generic, { maxLength: 3 }),
  }),
  engineVersion: text,
  // The one key that protobuf-es drops.
  engineLabels: fc.dictionary(
    text.filter((key) => key !== "__proto__"),
    text,
  ),
  plugins: fc.array(fc.record({ type: text, name: text })),
});

const line = fc.record({
  taskId: id,
  at: nanos,
  stream: fc.constantFrom("stdout", "stderr"),
  line: fc.uint8Array({ maxLength: 100 }),
});

const address = fc.oneof(
  fc.constant(""),
  fc.tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255)).map((q) => q.join(".")),
);

const containerId = fc.stringMatching(/^[0-9a-f]{64}$/);
const wish = fc.record({
  ...{ id: containerId, number: small, name: fc.stringMatching(/^[a-z][a-z0-9_.-]{1,20}$/) },
  networks: fc.array(
    fc.record(
      {
        ...{ ref: text, aliases: fc.array(text, { maxLength: 3 }) },
        ...{ address: fc.constantFrom("10.0.1.7", "192.168.3.4"), address6: fc.constantFrom("fd00:1::7") },
        used: fc.record(
          { address: fc.constant("10.0.1.9"), address6: fc.constant("fd00:1::9") },
          { requiredKeys: ["address"] },
        ),
      },
      { requiredKeys: ["ref", "aliases"] },
    ),
    { maxLength: 3 },
  ),
});

/** One arbitrary a kind: a kind that is missing here does not compile. */
const AGENT: {
  readonly [K in AgentMessage["kind"]]: fc.Arbitrary<Omit<Extract<AgentMessage, { kind: K }>, "kind">>;
} = {
  hello: fc.record({
    description,
    advertiseAddress: address,
    dataPathAddress: address,
    tunnelEnd: fc.record({ boot: id, lack: text }),
  }),
  statuses: fc.record({ statuses: fc.array(fc.record({ taskId: id, status })) }),
  "log-lines": fc.record({ subscriptionId: id, lines: fc.array(line) }),
  "logs-done": fc.record({ subscriptionId: id, error: text }),
  applied: fc.record({ sequence: amount }),
  guests: fc.record({ complete: fc.boolean(), wishes: fc.array(wish) }),
  farewell: fc.constant({}),
};

const MANAGER: {
  readonly [K in ManagerMessage["kind"]]: fc.Arbitrary<Omit<Extract<ManagerMessage, { kind: K }>, "kind">>;
} = {
  welcome: fc.record({
    sessionId: id,
    heartbeatPeriodMs: small,
    managers: fc.array(text),
    cluster: fc.record({ id, dataPathPort: fc.nat({ max: 65_535 }) }),
  }),
  assignments: fc.record({
    complete: fc.boolean(),
    appliesTo: amount,
    resultsIn: amount,
    upserts: fc.array(fc.record({ key: text, json: fc.json() })),
    removals: fc.array(text),
  }),
  "log-request": fc.record(
    {
      ...{ subscriptionId: id, taskIds: fc.array(id), follow: fc.boolean() },
      ...{ stdout: fc.boolean(), stderr: fc.boolean(), tail: small, since: nanos, until: nanos },
    },
    { requiredKeys: ["subscriptionId", "taskIds", "follow", "stdout", "stderr"] },
  ),
  "log-taken": fc.record({ subscriptionId: id, batches: small }),
  "log-cancel": fc.record({ subscriptionId: id }),
  drained: fc.record({ taskIds: fc.array(id) }),
  leave: fc.record({ reason: text }),
  "visit-request": fc.record({ visitId: id }),
  "guest-answer": fc.record(
    {
      ...{ id: containerId, number: small },
      places: fc.array(fc.record({ ref: text, networkId: id, name: text })),
      refusal: fc.record({ kind: fc.constantFrom(...FAULT_KINDS), message: text, ref: text }),
    },
    { requiredKeys: ["id", "number", "places"] },
  ),
};

describe("messages come out of their bytes as they went in", () => {
  test.each(Object.entries(AGENT))("agent: %s", (kind, fields) => {
    fc.assert(
      fc.property(fields as fc.Arbitrary<object>, (rest) => {
        const message = { kind, ...rest } as AgentMessage;
        expect(travelAgent(message)).toEqual(message);
      }),
    );
  });

  test.each(Object.entries(MANAGER))("manager: %s", (kind, fields) => {
    fc.assert(
      fc.property(fields as fc.Arbitrary<object>, (rest) => {
        const message = { kind, ...rest } as ManagerMessage;
        expect(travelManager(message)).toEqual(message);
      }),
    );
  });
});

const good: TaskStatus = { at: 1, state: "running", message: "started" };
const report = (status: Partial<TaskStatus>, taskId = "t"): AgentMessage => ({
  kind: "statuses",
  statuses: [{ taskId, status: { ...good, ...status } }],
});
const hello: Extract<AgentMessage, { kind: "hello" }> = {
  kind: "hello",
  description: {
    ...{ hostname: "h", platform: { architecture: "x86_64", os: "linux" }, engineVersion: "1" },
    ...{ resources: { nanoCpus: 1, memoryBytes: 1, generic: [] }, engineLabels: {}, plugins: [] },
  },
  ...{ advertiseAddress: "", dataPathAddress: "", tunnelEnd: { boot: "b", lack: "" } },
};
const long = "x".repeat(100_000);
const guests = (
  wish: Partial<GuestWish>,
  network: Partial<GuestWish["networks"][number]> = {},
): AgentMessage => ({
  ...{ kind: "guests", complete: false },
  wishes: [
    {
      ...{ id: "a".repeat(64), name: "shell", number: 1 },
      ...{ networks: [{ ref: "front", aliases: [], ...network }], ...wish },
    },
  ],
});
const port80 = { name: "", protocol: "tcp", target: 80, published: 80, publishMode: "host" } as const;

describe("agents are not believed", () => {
  test.each<[string, AgentMessage, string]>([
    ["a state there is not", report({ state: "flying" as never }), "status.state"],
    ["a time before 1970", report({ at: -1 }), "status.at"],
    ["a time past all counting", report({ at: 2 ** 60 }), "status.at"],
    ["a long task id", report({}, long), "taskId"],
    ["a long container id", report({ container: { id: long, pid: 1 } }), "container.id"],
    ["a negative pid", report({ container: { id: "c", pid: -1 } }), "container.pid"],
    ["a port too high", report({ ports: [{ ...port80, published: 65_536 }] }), "port.published"],
    [
      "a protocol there is not",
      report({ ports: [{ ...port80, protocol: "icmp" as never }] }),
      "port.protocol",
    ],
    ["too many ports", report({ ports: Array.from({ length: 2_000 }, () => port80) }), "status.ports"],
    ["a long hostname", { ...hello, description: { ...hello.description, hostname: long } }, "hostname"],
    ["a long boot", { ...hello, tunnelEnd: { boot: long, lack: "" } }, "boot"],
    ["a long address", { ...hello, advertiseAddress: long }, "advertiseAddress"],
    ["a host name", { ...hello, advertiseAddress: "host-1" }, "advertiseAddress"],
    ["an IPv6 tunnel end", { ...hello, dataPathAddress: "fd00::1" }, "dataPathAddress"],
    ["a whole network of tunnel ends", { ...hello, dataPathAddress: "0.0.0.0/0" }, "dataPathAddress"],
    ["a firewall rule", { ...hello, dataPathAddress: "10.0.0.1 } ; flush ruleset" }, "dataPathAddress"],
    ["everybody", { ...hello, dataPathAddress: "0.0.0.0" }, "dataPathAddress"],
    ["a group", { ...hello, dataPathAddress: "239.1.1.1" }, "dataPathAddress"],
    [
      "too many plugins",
      {
        ...hello,
        description: { ...hello.description, plugins: Array(2_000).fill({ type: "Volume", name: "local" }) },
      },
      "plugins",
    ],
    [
      "a description of many words",
      {
        ...hello,
        description: {
          ...hello.description,
          engineLabels: Object.fromEntries(
            Array.from({ length: 100 }, (_, i) => [`l${i}`, "x".repeat(1_000)]),
          ),
        },
      },
      "a node's description",
    ],
    [
      "a stream there is not",
      {
        kind: "log-lines",
        subscriptionId: "s",
        lines: [{ taskId: "t", at: 1n, stream: "stdin" as never, line: new Uint8Array() }],
      },
      "line.stream",
    ],
    ["a guest that is no container", guests({ id: "task-1" }), "a guest's id"],
    ["a guest's name of two lines", guests({ name: "a\nb" }), "a guest's name"],
    ["a guest's long name", guests({ name: long }), "name"],
    ["a long word for a network", guests({}, { ref: long }), "ref"],
    ["a long alias", guests({}, { aliases: [long] }), "alias"],
    ["too many aliases", guests({}, { aliases: Array(2_000).fill("a") }), "aliases"],
    ["a guest's address that is none", guests({}, { address: "10.0.0.0/8" }), "address"],
    ["a guest's address that is empty", guests({}, { address: "" }), "address"],
    ["a used address that is none", guests({}, { used: { address: "front" } }), "address"],
    ["a guest's IPv6 address that is none", guests({}, { address6: "10.0.0.1" }), "address6"],
    ["a long subscription id", { kind: "logs-done", subscriptionId: long, error: "" }, "subscriptionId"],
  ])("%s is refused", (_what, message, field) => {
    expect(() => travelAgent(message)).toThrow(
      expect.objectContaining({
        kind: "invalid",
        message: expect.stringContaining(`cannot read a node's message: ${field}`),
      }),
    );
  });

  test("a hello without a description and a report without a status are refused", () => {
    const say = (kind: Parameters<typeof create<typeof AgentMessageSchema>>[1]) =>
      agentFromWire(create(AgentMessageSchema, kind));
    expect(() => say({ kind: { case: "hello", value: {} } })).toThrow("describes itself");
    expect(() => say({ kind: { case: "statuses", value: { statuses: [{ taskId: "t" }] } } })).toThrow(
      "no status",
    );
  });

  test("long messages for people are cut, not refused", () => {
    const message = travelAgent(report({ message: long, error: long }));
    if (message?.kind !== "statuses") throw new Error("another kind");
    const [heard] = message.statuses;
    expect(heard?.status.message).toHaveLength(4_096);
    expect(heard?.status.error?.endsWith("x…")).toBe(true);
  });

  test("kinds that only newer nodes know are passed over", () => {
    const unknown = Uint8Array.from([0xfa, 0x01, 0x02, 0x08, 0x01]);
    expect(agentFromWire(fromBinary(AgentMessageSchema, unknown))).toBeUndefined();
    expect(managerFromWire(fromBinary(ManagerMessageSchema, unknown))).toBeUndefined();
  });
});
