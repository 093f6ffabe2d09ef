import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type {
  ContainerSpec,
  GenericResource,
  HealthCheck,
  LogDriver,
  Mount,
  Placement,
  PortSpec,
  Privileges,
  RestartPolicy,
  ServiceMode,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
} from "../model/index.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9_.-]{1,8}$/);
const dict = fc.dictionary(word, fc.string({ maxLength: 8 }).filter(isPlain), { maxKeys: 3 });
const words = fc.array(word, { maxLength: 3 });
/** Whole nanoseconds, as the wire has them. */
const ms = fc.nat(3_600_000_000).map((micros) => micros / 1000);
const size = fc.oneof(fc.constant(0), fc.integer({ min: 4 << 20, max: 2 ** 40 }));
const cpus = fc.oneof(fc.constant(0), fc.integer({ min: 1e6, max: 1e12 }));

function isPlain(text: string): boolean {
  return !text.includes("\0") && !text.includes("{{");
}

const mount: fc.Arbitrary<Mount> = fc.oneof(
  fc.record(
    {
      type: fc.constant("bind" as const),
      source: word.map((w) => `/${w}`),
      target: word.map((w) => `/b/${w}`),
      readOnly: fc.boolean(),
      propagation: fc.constantFrom("rprivate", "rslave", "shared"),
    },
    { requiredKeys: ["type", "source", "target", "readOnly"] },
  ),
  fc.record(
    {
      type: fc.constant("tmpfs" as const),
      source: fc.constant(""),
      target: word.map((w) => `/t/${w}`),
      readOnly: fc.boolean(),
      sizeBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      mode: fc.integer({ min: 1, max: 0o7777 }),
    },
    { requiredKeys: ["type", "source", "target", "readOnly"] },
  ),
  fc.record({
    type: fc.constant("volume" as const),
    source: fc.oneof(fc.constant(""), word),
    target: word.map((w) => `/v/${w}`),
    readOnly: fc.boolean(),
    noCopy: fc.boolean(),
    labels: dict,
    driver: fc.constantFrom("", "local"),
    driverOptions: fc.constant({}),
  }),
);

const ulimit = fc.record({
  name: fc.constantFrom("nofile", "core"),
  soft: fc.nat(9),
  hard: fc.oneof(fc.constant(-1), fc.integer({ min: 9, max: 99 })),
});

/** 0, or at least 1 ms. */
const probeMs = ms.map((n) => (n < 1 ? 0 : n));
const health: fc.Arbitrary<HealthCheck> = fc.record({
  test: fc.constantFrom([], ["NONE"], ["CMD", "a", "b"], ["CMD-SHELL", "exit 0"]),
  intervalMs: probeMs,
  timeoutMs: probeMs,
  startPeriodMs: probeMs,
  startIntervalMs: probeMs,
  retries: fc.nat(9),
});

const seccomp = fc.oneof(
  fc.record({ mode: fc.constantFrom("default" as const, "unconfined" as const), profile: fc.constant("") }),
  fc.record({
    mode: fc.constant("custom" as const),
    profile: fc.constant(btoa('{"defaultAction":"SCMP_ACT_ALLOW"}')),
  }),
);
const privileges: fc.Arbitrary<Privileges> = fc.record(
  { noNewPrivileges: fc.boolean(), seccomp, appArmor: fc.constantFrom("default", "disabled") },
  { requiredKeys: ["noNewPrivileges"] },
);

const container: fc.Arbitrary<ContainerSpec> = fc.record(
  {
    image: fc.constantFrom("nginx", "redis:3.2", "reg.example:5000/a/b:v1", `x@sha256:${"a1".repeat(32)}`),
    labels: dict,
    command: words,
    args: words,
    hostname: fc.oneof(fc.constantFrom("", "{{.Service.Name}}-{{.Task.Slot}}"), word),
    env: fc.array(
      word.map((w) => `${w}={{.Node.Hostname}}`),
      { maxLength: 3 },
    ),
    dir: fc.constantFrom("", "/w"),
    user: fc.constantFrom("", "me", "0:0"),
    groups: words,
    tty: fc.boolean(),
    openStdin: fc.boolean(),
    readOnly: fc.boolean(),
    init: fc.boolean(),
    stopSignal: fc.constantFrom("", "SIGINT"),
    stopGraceMs: ms,
    mounts: fc.uniqueArray(mount, { maxLength: 4, selector: (m) => m.target }),
    hosts: fc.array(
      word.map((w) => `10.0.0.1 ${w}`),
      { maxLength: 2 },
    ),
    dns: fc.record({ nameservers: fc.constantFrom([], ["8.8.8.8"]), search: words, options: words }),
    capabilityAdd: words,
    capabilityDrop: words,
    sysctls: dict,
    ulimits: fc.array(ulimit, { maxLength: 2 }),
    oomScoreAdj: fc.integer({ min: -1000, max: 1000 }),
    health,
    privileges,
  },
  { noNullPrototype: true, requiredKeys: requiredOf("init", "stopGraceMs", "health", "privileges") },
) as fc.Arbitrary<ContainerSpec>;

/** All keys of a container but these. */
function requiredOf(...optional: string[]): never[] {
  const keys =
    "image labels command args hostname env dir user groups tty openStdin readOnly stopSignal mounts hosts dns capabilityAdd capabilityDrop sysctls ulimits oomScoreAdj";
  return keys.split(" ").filter((key) => !optional.includes(key)) as never[];
}

const restart: fc.Arbitrary<RestartPolicy> = fc.record({
  condition: fc.constantFrom("none", "on-failure", "any"),
  delayMs: ms,
  maxAttempts: fc.nat(100),
  windowMs: ms,
});

const update: fc.Arbitrary<UpdateConfig> = fc.record({
  parallelism: fc.nat(100),
  delayMs: ms,
  failureAction: fc.constantFrom("pause", "continue", "rollback"),
  monitorMs: ms.map((n) => n + 1),
  maxFailureRatio: fc.constantFrom(0, 0.25, 1),
  order: fc.constantFrom("stop-first", "start-first"),
});

const port: fc.Arbitrary<PortSpec> = fc.record({
  name: fc.constantFrom("", "web"),
  protocol: fc.constantFrom("tcp", "udp", "sctp"),
  target: fc.integer({ min: 1, max: 65535 }),
  published: fc.nat(65535),
  publishMode: fc.constantFrom("ingress", "host"),
});

const generic: fc.Arbitrary<GenericResource[]> = fc.array(fc.record({ kind: word, count: fc.nat(9) }), {
  maxLength: 2,
});

const placement: fc.Arbitrary<Placement> = fc.record({
  constraints: fc.subarray(["node.role==manager", "node.labels.a != b", "engine.labels.x==y"]),
  preferences: fc.subarray([{ spread: "node.labels.zone" }, { spread: "engine.labels.rack" }]),
  maxReplicas: fc.nat(9),
  platforms: fc.array(fc.record({ architecture: fc.constantFrom("", "amd64"), os: fc.constant("linux") }), {
    maxLength: 2,
  }),
});

const log: fc.Arbitrary<LogDriver> = fc.record({
  name: fc.constantFrom("", "json-file", "none"),
  options: fc.constantFrom({}, { "max-size": "10m", "max-file": "3" }),
});

const task: fc.Arbitrary<TaskSpec> = fc.record({
  container,
  resources: fc.record({
    limits: fc.record({ nanoCpus: cpus, memoryBytes: size, pids: fc.nat(1000) }),
    reservations: fc.record({ nanoCpus: cpus, memoryBytes: size, generic }),
  }),
  restart,
  placement,
  networks: fc.uniqueArray(
    fc.record(
      { target: word, aliases: words, driverOptions: fc.constantFrom({ a: "b" }) },
      { requiredKeys: ["target", "aliases"] },
    ),
    { maxLength: 3, selector: (n) => n.target },
  ),
  log,
  forceUpdate: fc.nat(9),
});

const replicated: fc.Arbitrary<ServiceMode> = fc.record({
  kind: fc.constant("replicated" as const),
  replicas: fc.nat(1000),
});
const lasting: fc.Arbitrary<ServiceMode> = fc.oneof(replicated, fc.constant({ kind: "global" } as const));
const job: fc.Arbitrary<ServiceMode> = fc.oneof(
  fc.record({
    kind: fc.constant("replicated-job" as const),
    maxConcurrent: fc.nat(9),
    totalCompletions: fc.nat(99),
  }),
  fc.constant({ kind: "global-job" } as const),
);

const common = {
  name: fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/),
  labels: dict,
  task,
  rollback: update,
  endpoint: fc.record({
    mode: fc.constant("vip" as const),
    ports: fc.uniqueArray(port, { maxLength: 4, selector: (p) => `${p.published}/${p.protocol}` }),
  }),
};
const required = ["name", "labels", "task", "mode", "endpoint"] as const;
const lastingSpec: fc.Arbitrary<ServiceSpec> = fc.record(
  { ...common, mode: lasting, update },
  { requiredKeys: [...required] },
);
const jobSpec: fc.Arbitrary<ServiceSpec> = fc.record(
  { ...common, mode: job },
  { requiredKeys: [...required] },
);
const spec: fc.Arbitrary<ServiceSpec> = fc.oneof(lastingSpec, jobSpec);

function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe("service specs", () => {
  test("what the API shows, it takes back unchanged", () => {
    fc.assert(
      fc.property(spec, (wanted) => {
        expect(serviceSpecFromWire(throughJson(serviceSpecToWire(wanted)))).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  // A job with defaults filled in shows an update config, as Docker's does, which it may not have.
  test("with defaults filled in, all that was said stays, and it is taken back too", () => {
    fc.assert(
      fc.property(lastingSpec, (wanted) => {
        const back = serviceSpecFromWire(throughJson(serviceSpecToWire(wanted, { defaults: true })));
        const stopGraceMs = wanted.task.container.stopGraceMs ?? 10_000;
        expect(back.task.container).toEqual({ ...wanted.task.container, stopGraceMs });
        for (const rules of ["update", "rollback"] as const) {
          expect(back[rules]).toEqual(wanted[rules] ?? back[rules]);
        }
        const rest = { task: {}, update: {}, rollback: {} };
        expect({ ...back, ...rest }).toEqual({ ...wanted, ...rest });
      }),
      { numRuns: 100 },
    );
  });

  test("credentials never reach the wire", () => {
    fc.assert(
      fc.property(spec, (wanted) => {
        const container = { ...wanted.task.container, registryAuth: "c2VjcmV0LXdvcmRz" };
        const withAuth = { ...wanted, task: { ...wanted.task, container } };
        expect(JSON.stringify(serviceSpecToWire(withAuth))).not.toContain("c2VjcmV0LXdvcmRz");
      }),
      { numRuns: 30 },
    );
  });

  test("garbage is refused with a Fault, never with anything else", () => {
    const part = fc.constantFrom("Name", "Labels", "TaskTemplate", "Mode", "UpdateConfig", "EndpointSpec");
    fc.assert(
      fc.property(part, fc.jsonValue(), (key, value) => {
        const body = { ...(serviceSpecToWire(GOOD) as object), [key]: value };
        try {
          serviceSpecFromWire(throughJson(body));
        } catch (error) {
          expect((error as Error).name).toBe("Fault");
        }
      }),
      { numRuns: 500 },
    );
  });
});

const GOOD = fc.sample(spec, { numRuns: 1, seed: 1 })[0]!;
