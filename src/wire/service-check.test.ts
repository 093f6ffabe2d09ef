import { describe, expect, test } from "vitest";
import { serviceSpecFromWire } from "./service-spec.ts";
import { ARG, good, type Refused, refusalOf, type Wire, withField } from "./service-words.fake.ts";

const published = (PublishedPort: number, more: Wire = {}) => ({ TargetPort: 80, PublishedPort, ...more });

const REFUSED: readonly Refused[] = [
  ["Name", "a.b", `${ARG}name must be valid as a DNS name component`],
  ["Name", `${"a".repeat(900)}!`, `${ARG}name must be valid as a DNS name component`],
  ["Name", "-a", `${ARG}name must be valid as a DNS name component`],
  ["Name", "a".repeat(64), `${ARG}name must be 63 characters or fewer`],
  ["Name", 7, "invalid: invalid service spec: Name: invalid input: expected string, received number"],
  ["Name", "a\0b", "invalid: invalid service spec: Name: must not hold a NUL character"],
  ["Nmae", "x", "invalid: invalid service spec: unknown field Nmae"],
  ["TaskTemplate.ContainerSpec", null, `${ARG}ContainerSpec: missing in service spec`],
  [
    "TaskTemplate.Resources",
    { Limits: { NanoCPUs: 1 } },
    `${ARG}invalid cpu value 1e-9: Must be at least 0.001`,
  ],
  [
    "TaskTemplate.Resources",
    { Limits: { NanoCPUs: -1e9 } },
    `${ARG}invalid cpu value -1: Must be at least 0.001`,
  ],
  [
    "TaskTemplate.Resources",
    { Reservations: { MemoryBytes: 4194303 } },
    `${ARG}invalid memory value 4194303: Must be at least 4MiB`,
  ],
  [
    "TaskTemplate.RestartPolicy",
    { Condition: "sometimes" },
    'invalid: invalid RestartCondition: "sometimes"',
  ],
  ["TaskTemplate.RestartPolicy", { Delay: -1 }, `${ARG}TaskSpec: restart-delay cannot be negative`],
  ["TaskTemplate.RestartPolicy", { Window: -1 }, `${ARG}TaskSpec: restart-window cannot be negative`],
  [
    "TaskTemplate.RestartPolicy",
    { MaxAttempts: -1 },
    "invalid: invalid service spec: TaskTemplate.RestartPolicy.MaxAttempts: too small: expected number to be >=0",
  ],
  [
    "TaskTemplate.Networks",
    [{ Target: "a" }, { Target: "a" }],
    `${ARG}TaskSpec: duplicate network attachment: a`,
  ],
  ["TaskTemplate.Networks", [{}], `${ARG}TaskSpec: network attachment without a target`],
  ["TaskTemplate.LogDriver", { Name: "nope" }, "invalid: logger: no log driver named 'nope' is registered"],
  [
    "TaskTemplate.LogDriver",
    { Name: "json-file", Options: { x: "1" } },
    "invalid: unknown log opt 'x' for json-file log driver",
  ],
  [
    "TaskTemplate.LogDriver",
    { Options: { "max-size": "big" } },
    "invalid: invalid log opt max-size=big: must be a size like 10m",
  ],
  ["TaskTemplate.Runtime", "plugin", 'invalid: invalid runtime type: "plugin"'],
  [
    "Mode",
    { Replicated: { Replicas: -1 } },
    "invalid: invalid service spec: Mode.Replicated.Replicas: too small: expected number to be >=0",
  ],
  ["Mode", { Replicated: { Replicas: 1e9 } }, `${ARG}Number of replicas must be at most 100000`],
  ["UpdateConfig", { Delay: -1 }, `${ARG}TaskSpec: update-delay cannot be negative`],
  ["UpdateConfig", { Monitor: -1 }, `${ARG}TaskSpec: update-monitor cannot be negative`],
  [
    "UpdateConfig",
    { MaxFailureRatio: 1.5 },
    `${ARG}TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1`,
  ],
  [
    "EndpointSpec",
    { Mode: "dnsrr", Ports: [published(80)] },
    `${ARG}EndpointSpec: port published with ingress mode can't be used with dnsrr mode`,
  ],
  [
    "EndpointSpec",
    { Ports: [published(80), published(80)] },
    `${ARG}EndpointSpec: duplicate published ports provided`,
  ],
  [
    "EndpointSpec",
    { Ports: [{ PublishedPort: 80 }] },
    `${ARG}EndpointSpec: invalid target port 0: must be from 1 to 65535`,
  ],
  [
    "EndpointSpec",
    { Ports: [published(65536)] },
    `${ARG}EndpointSpec: invalid published port 65536: must be at most 65535`,
  ],
  ["EndpointSpec", { Ports: [published(80, { Protocol: "icmp" })] }, 'invalid: invalid protocol: "icmp"'],
  [
    "TaskTemplate.Resources",
    { Reservations: { GenericResources: [{ NamedResourceSpec: { Kind: "gpu", Value: "a" } }] } },
    `${ARG}invalid argument for resource gpu: a task can only reserve a number of it`,
  ],
  [
    "TaskTemplate.Resources",
    { Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: -1 } }] } },
    `${ARG}cannot ask for negative resource gpu`,
  ],
  [
    "TaskTemplate.Resources",
    { Reservations: { GenericResources: [{}] } },
    "invalid: invalid generic resource: it has no kind",
  ],
  [
    "TaskTemplate.Resources",
    { Reservations: { GenericResources: [{ DiscreteResourceSpec: { Value: 1 } }] } },
    `${ARG}invalid generic resource: it has no kind`,
  ],
  [
    "TaskTemplate.Resources",
    { Limits: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: 1 } }] } },
    "unsupported: cannot limit generic resources: they can only be reserved",
  ],
  [
    "TaskTemplate.Resources",
    { SwapBytes: 1 },
    "unsupported: cannot use --memory-swap nor --memory-swappiness: they are not supported yet",
  ],
  [
    "TaskTemplate.Placement",
    { Constraints: ["node.role=manager"] },
    "invalid: rpc error: code = Unknown desc = constraint expected one operator from ==, !=",
  ],
  [
    "TaskTemplate.Placement",
    { Constraints: ["=="] },
    "invalid: rpc error: code = Unknown desc = key '' is invalid",
  ],
  [
    "TaskTemplate.Placement",
    { Constraints: ["node.labels.a=="] },
    "invalid: rpc error: code = Unknown desc = value '' is invalid",
  ],
  [
    "TaskTemplate.Placement",
    { MaxReplicas: -1 },
    "invalid: invalid service spec: TaskTemplate.Placement.MaxReplicas: too small: expected number to be >=0",
  ],
  [
    "TaskTemplate.Networks",
    [{ Target: "a", DriverOpts: { "com.docker.network.endpoint.sysctls": "x" } }],
    "unsupported: cannot use driver-opt com.docker.network.endpoint.sysctls: it is not supported yet",
  ],
  [
    "TaskTemplate.LogDriver",
    { Name: "syslog" },
    "unsupported: cannot use --log-driver syslog: json-file and none are the ones that are served",
  ],
  [
    "TaskTemplate.LogDriver",
    { Options: { tag: "x" } },
    "unsupported: cannot use --log-opt tag: max-size and max-file are the ones that are served",
  ],
  ["Mode", { Global: {}, Replicated: {} }, "invalid: must specify only one service mode"],
  ["Mode", { Global: { Replicas: 1 } }, "invalid: invalid service spec: unknown field Mode.Global.Replicas"],
  ["Mode", { ReplicatedJob: { TotalCompletions: 1e9 } }, `${ARG}Total completed jobs must be at most 100000`],
  [
    "Mode",
    { ReplicatedJob: { MaxConcurrent: 1e9, TotalCompletions: 1 } },
    `${ARG}Maximum concurrent jobs must be at most 100000`,
  ],
  ["UpdateConfig", { FailureAction: "x" }, "invalid: unrecognized update failure action x"],
  ["UpdateConfig", { Order: "x" }, "invalid: unrecognized update order x"],
  [
    "UpdateConfig",
    { Delay: 1.5 },
    "invalid: invalid service spec: UpdateConfig.Delay: must be a whole number of nanoseconds, below 2^63",
  ],
  [
    "UpdateConfig",
    { Delay: 1e19 },
    "invalid: invalid service spec: UpdateConfig.Delay: must be a whole number of nanoseconds, below 2^63",
  ],
  ["RollbackConfig", { Delay: -1 }, `${ARG}TaskSpec: rollback-delay cannot be negative`],
  ["RollbackConfig", { Monitor: -1 }, `${ARG}TaskSpec: rollback-monitor cannot be negative`],
  [
    "RollbackConfig",
    { MaxFailureRatio: -0.5 },
    `${ARG}TaskSpec: rollback-maxfailureratio cannot be less than 0 or bigger than 1`,
  ],
  ["EndpointSpec", { Mode: "x" }, 'invalid: invalid resolution mode: "x"'],
];

test.each(REFUSED)("%s = %j is refused", (path, value, refusal) => {
  expect(refusalOf(withField(path, value))).toBe(refusal);
});

test.each([[[]], ["x"], [7], [null], [undefined], [true]])("a body of %j is refused", (body) => {
  expect(refusalOf(body)).toMatch(/^invalid: /);
});

describe("what means nothing is taken", () => {
  test.each<[path: string, value: unknown]>([
    ["TaskTemplate.Placement", null],
    ["TaskTemplate.Placement", { Constraints: [], Preferences: [], MaxReplicas: 0 }],
    ["TaskTemplate.Resources", null],
    ["TaskTemplate.LogDriver", null],
    ["UpdateConfig", null],
    ["RollbackConfig", { Parallelism: 1, FailureAction: "pause", Monitor: 5e9, Order: "stop-first" }],
    ["Networks", []],
    ["EndpointSpec", null],
    ["Mode", {}],
    ["Mode", { Replicated: { Replicas: null }, Global: null, ReplicatedJob: null, GlobalJob: null }],
    ["TaskTemplate.Runtime", "container"],
    ["TaskTemplate.LogDriver", { Name: "json-file", Options: { "max-size": "200m", "max-file": "10" } }],
    ["TaskTemplate.LogDriver", { Name: "none", Options: { "max-size": "1" } }],
    ["Mode", { Replicated: null, Global: {} }],
    ["Mode", { ReplicatedJob: { MaxConcurrent: 0, TotalCompletions: 0 } }],
    ["Mode", { GlobalJob: {} }],
    [
      "RollbackConfig",
      { Parallelism: 0, FailureAction: "continue", Order: "start-first", MaxFailureRatio: 1 },
    ],
    ["UpdateConfig", { Delay: 3600e9 * 24 * 365 }],
  ])("%s = %j", (path, value) => {
    expect(refusalOf(withField(path, value))).toBe("taken");
  });

  test("a missing update monitor and restart delay are Swarm's defaults", () => {
    const spec = serviceSpecFromWire({ ...withField("TaskTemplate.RestartPolicy", {}), UpdateConfig: {} });
    expect(spec.task.restart).toEqual({ condition: "any", delayMs: 5000, maxAttempts: 0, windowMs: 0 });
    expect(spec.update).toMatchObject({ parallelism: 0, monitorMs: 5000, order: "stop-first" });
  });

  test("resources that nobody limits are 0", () => {
    const none = {
      limits: { nanoCpus: 0, memoryBytes: 0, pids: 0 },
      reservations: { nanoCpus: 0, memoryBytes: 0, generic: [] },
    };
    for (const value of [null, {}, { Limits: null, Reservations: {} }]) {
      expect(serviceSpecFromWire(withField("TaskTemplate.Resources", value)).task.resources).toEqual(none);
    }
  });

  test("a job runs once, or as often as it may at once", () => {
    const modeOf = (mode: unknown) => serviceSpecFromWire(withField("Mode", mode)).mode;
    const job = { kind: "replicated-job" };
    expect(modeOf({ ReplicatedJob: {} })).toEqual({ ...job, maxConcurrent: 1, totalCompletions: 1 });
    expect(modeOf({ ReplicatedJob: { MaxConcurrent: 3 } })).toEqual({
      ...job,
      maxConcurrent: 3,
      totalCompletions: 3,
    });
    expect(modeOf({ ReplicatedJob: { TotalCompletions: 5 } })).toEqual({
      ...job,
      maxConcurrent: 1,
      totalCompletions: 5,
    });
  });

  test.each([{ ReplicatedJob: {} }, { GlobalJob: {} }])("a job %j has no update config", (Mode) => {
    expect(refusalOf({ ...withField("Mode", Mode), UpdateConfig: {} })).toBe(
      `${ARG}Jobs may not have an update config`,
    );
    expect(refusalOf({ ...withField("Mode", Mode), RollbackConfig: {} })).toBe("taken");
  });

  test("a preference that says nothing is dropped", () => {
    const Preferences = [{ Spread: { SpreadDescriptor: "node.labels.a" } }, {}, { Spread: null }];
    const spec = serviceSpecFromWire(withField("TaskTemplate.Placement", { Preferences }));
    expect(spec.task.placement.preferences).toEqual([{ spread: "node.labels.a" }]);
  });

  test("networks in their old place", () => {
    expect(serviceSpecFromWire({ ...good(), Networks: [{ Target: "n" }] }).task.networks).toEqual([
      { target: "n", aliases: [] },
    ]);
  });

  test("several ports may be left to the allocator, and one number may serve two protocols", () => {
    const Ports = [published(0), published(0), published(53), published(53, { Protocol: "udp" })];
    expect(refusalOf(withField("EndpointSpec", { Ports }))).toBe("taken");
  });
});
