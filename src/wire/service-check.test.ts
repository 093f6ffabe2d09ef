import { describe, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { aService } from "../model/objects.fake.ts";
import { isImageReference } from "./image-name.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";

type Wire = Record<string, unknown>;

const good = (): Wire => JSON.parse(JSON.stringify(serviceSpecToWire(aService("web").spec)));

/** A good spec with one field, "TaskTemplate.ContainerSpec.Image", set to something else. */
function withField(path: string, value: unknown): Wire {
  const spec = good();
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = spec;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as Wire;
  }
  at[last] = value;
  return spec;
}

function refusalOf(spec: unknown): string {
  try {
    serviceSpecFromWire(spec);
  } catch (error) {
    return error instanceof Fault ? `${error.kind}: ${error.message}` : `thrown: ${String(error)}`;
  }
  return "taken";
}

const C = "TaskTemplate.ContainerSpec";
const ARG = "invalid: rpc error: code = InvalidArgument desc = ";
const bind = (target: string, source = "/s") => ({ Type: "bind", Source: source, Target: target });
const volume = (source: string, target = "/v") => ({ Type: "volume", Source: source, Target: target });
const published = (PublishedPort: number, more: Wire = {}) => ({ TargetPort: 80, PublishedPort, ...more });

const REFUSED: readonly (readonly [path: string, value: unknown, refusal: string])[] = [
  ["Name", "a.b", `${ARG}name must be valid as a DNS name component`],
  ["Name", "-a", `${ARG}name must be valid as a DNS name component`],
  ["Name", "a".repeat(64), `${ARG}name must be 63 characters or fewer`],
  ["Name", 7, "invalid: invalid service spec: Name: invalid input: expected string, received number"],
  ["Name", "a\0b", "invalid: invalid service spec: Name: must not hold a NUL character"],
  ["Nmae", "x", "invalid: invalid service spec: unknown field Nmae"],
  [`${C}.Foo`, 1, `invalid: invalid service spec: unknown field ${C}.Foo`],
  ["TaskTemplate.ContainerSpec", null, `${ARG}ContainerSpec: missing in service spec`],
  [`${C}.Image`, "", `${ARG}ContainerSpec: image reference must be provided`],
  [`${C}.Image`, "Nginx", `${ARG}ContainerSpec: "Nginx" is not a valid repository/tag`],
  [`${C}.Env`, ["=x"], "invalid: invalid environment variable: =x"],
  [`${C}.Env`, [""], "invalid: invalid environment variable: "],
  [`${C}.Hosts`, ["1.2.3.4"], 'invalid: invalid host "1.2.3.4": must be "ADDRESS NAME"'],
  [`${C}.Isolation`, "hyperv", 'invalid: invalid Isolation: "hyperv"'],
  [`${C}.StopGracePeriod`, -1e9, `${ARG}ContainerSpec: stop-grace-period cannot be negative`],
  [`${C}.Mounts`, [bind("relative")], "invalid: invalid mount target, must be an absolute path: relative"],
  [`${C}.Mounts`, [bind("/")], "invalid: invalid specification: destination can't be '/'"],
  [`${C}.Mounts`, [bind("/t", "s")], "invalid: invalid bind mount source, must be an absolute path: s"],
  [`${C}.Mounts`, [volume("/s")], "invalid: invalid volume mount source, must not be an absolute path: /s"],
  [
    `${C}.Mounts`,
    [volume("s")],
    "invalid: volume name is too short, names should be at least two alphanumeric characters",
  ],
  [
    `${C}.Mounts`,
    [{ Type: "tmpfs", Source: "x", Target: "/t" }],
    "invalid: invalid tmpfs source, source must be empty",
  ],
  [`${C}.Mounts`, [bind("/t"), bind("/t", "/u")], `${ARG}ContainerSpec: duplicate mount point: /t`],
  [`${C}.Mounts`, [{ Type: "what", Target: "/t" }], 'invalid: invalid MountType: "what"'],
  [
    `${C}.Mounts`,
    [{ Type: "npipe", Target: "/t" }],
    "unsupported: cannot mount type=npipe: volumes, binds and tmpfs are the mounts that are served so far",
  ],
  [
    `${C}.Mounts`,
    [{ ...bind("/t"), BindOptions: { Propagation: "x" } }],
    'invalid: invalid MountPropagation: "x"',
  ],
  [
    `${C}.Mounts`,
    [{ ...volume("vol"), VolumeOptions: { Subpath: "x" } }],
    "unsupported: cannot use volume-subpath: it is not supported yet",
  ],
  [
    `${C}.Mounts`,
    [{ ...volume("vol"), VolumeOptions: { DriverConfig: { Name: "nfs" } } }],
    "unsupported: cannot use volume-driver nfs: local is the one that is served",
  ],
  [
    `${C}.Mounts`,
    [{ ...volume("vol"), VolumeOptions: { DriverConfig: { Options: { type: "nfs" } } } }],
    "unsupported: cannot use volume-opt type: options of the local driver are not supported yet",
  ],
  [
    `${C}.Mounts`,
    [volume("v".repeat(256))],
    "invalid: volume name is too long, at most 255 characters are allowed",
  ],
  [
    `${C}.Hostname`,
    "{{.Node.Hostname}}",
    'unsupported: cannot use the template "{{.Node.Hostname}}": templates are not supported yet',
  ],
  [
    `${C}.Secrets`,
    [{}, { SecretID: "x" }],
    "unsupported: cannot use --secret: secrets are not supported yet",
  ],
  [`${C}.Configs`, [{ ConfigID: "x" }], "unsupported: cannot use --config: configs are not supported yet"],
  [
    `${C}.Healthcheck`,
    { Test: ["NONE"] },
    "unsupported: cannot use --health-cmd, its kin or --no-healthcheck: health checks are not supported yet",
  ],
  [
    `${C}.Privileges`,
    { CredentialSpec: { File: "x" } },
    "unsupported: cannot use --credential-spec nor other ContainerSpec.Privileges: they are not supported yet",
  ],
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
    "TaskTemplate.Resources",
    { Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: 1 } }] } },
    "unsupported: cannot use --generic-resource: generic resources are not supported yet",
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
    "TaskTemplate.Placement",
    { Constraints: ["node.role==manager"] },
    "unsupported: cannot use --constraint: placement constraints are not supported yet",
  ],
  [
    "TaskTemplate.Placement",
    { Preferences: [{ Spread: { SpreadDescriptor: "x" } }] },
    "unsupported: cannot use --placement-pref: placement preferences are not supported yet",
  ],
  [
    "TaskTemplate.Placement",
    { MaxReplicas: 1 },
    "unsupported: cannot use --replicas-max-per-node: it is not supported yet",
  ],
  [
    "TaskTemplate.Networks",
    [{ Target: "a" }, { Target: "a" }],
    `${ARG}TaskSpec: duplicate network attachment: a`,
  ],
  ["TaskTemplate.Networks", [{}], `${ARG}TaskSpec: network attachment without a target`],
  [
    "TaskTemplate.Networks",
    [{ Target: "a", DriverOpts: { x: "y" } }],
    "unsupported: cannot use driver-opt of a network attachment: it is not supported yet",
  ],
  [
    "TaskTemplate.LogDriver",
    { Name: "syslog" },
    "unsupported: cannot use --log-driver syslog: json-file is the one that is served so far",
  ],
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
  ["Mode", { Global: {} }, "unsupported: cannot use --mode global: only replicated services run so far"],
  [
    "Mode",
    { ReplicatedJob: {} },
    "unsupported: cannot use --mode replicated-job: only replicated services run so far",
  ],
  [
    "Mode",
    { GlobalJob: {} },
    "unsupported: cannot use --mode global-job: only replicated services run so far",
  ],
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
  ["UpdateConfig", { FailureAction: "x" }, 'invalid: invalid update failure action: "x"'],
  ["UpdateConfig", { Order: "x" }, 'invalid: invalid update order: "x"'],
  [
    "RollbackConfig",
    { Parallelism: 2 },
    "unsupported: cannot use --rollback-…: a rollback's own settings are not supported yet",
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
];

test.each(REFUSED)("%s = %j is refused", (path, value, refusal) => {
  expect(refusalOf(withField(path, value))).toBe(refusal);
});

test.each([[[]], ["x"], [7], [null], [undefined], [true]])("a body of %j is refused", (body) => {
  expect(refusalOf(body)).toMatch(/^invalid: /);
});

describe("what means nothing is taken", () => {
  test.each<[path: string, value: unknown]>([
    [`${C}.Secrets`, []],
    [`${C}.Configs`, null],
    [`${C}.Healthcheck`, {}],
    [`${C}.Privileges`, { CredentialSpec: null, SELinuxContext: null }],
    [`${C}.Env`, null],
    [`${C}.Isolation`, ""],
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
    [`${C}.Mounts`, [{ ...bind("/t"), Consistency: "default", BindOptions: { Propagation: "private" } }]],
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

describe("image references", () => {
  const hex = "0123456789abcdef".repeat(4);
  test.each([
    "nginx",
    "nginx:1.27-alpine",
    "bretfisher/examplevotingapp_vote",
    "localhost/x",
    "reg.example.org:5000/a/b__c/d-e:T_1.x",
    "[::1]:5000/x",
    `redis@sha256:${hex}`,
    `redis:3.2@sha256:${hex}`,
    "MyHost/x",
  ])("%s is one", (reference) => expect(isImageReference(reference)).toBe(true));

  test.each([
    "",
    "Nginx",
    "a//b",
    "a/",
    "/a",
    "a:",
    "a:b:c",
    "a b",
    "a@sha256:12",
    `a@sha256:${hex}@sha256:${hex}`,
    hex,
    "a..b",
    "a_-b",
    `a:${"t".repeat(129)}`,
    "x".repeat(300),
    "-a",
    "http://a/b",
  ])("%s is none", (reference) => expect(isImageReference(reference)).toBe(false));
});
