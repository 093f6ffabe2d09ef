import { expect, test } from "vitest";
import type { ContainerSpec, GenericResource, Mount, TaskSpec } from "../model/index.ts";
import { aContainer, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import { containerConfigOf } from "./container-config.ts";

const ID = "0123456789abcdef".repeat(4);
const place = {
  containerId: ID,
  image: "redis@sha256:0",
  nodeId: "node1",
  netns: "/run/netns/task-web-1",
  gatewayAddress: "172.18.0.16",
  search: ["example.org"],
};

function configOf(container: Partial<ContainerSpec> = {}, spec: Partial<TaskSpec> = {}) {
  const task = { ...aTaskSpec, container: { ...aContainer, ...container }, ...spec };
  const attachments = [{ networkId: "front", address: "10.0.1.5" }];
  return containerConfigOf(aTask(aService("web", { task }), 1, { attachments }), place);
}

test("a plain task: Swarm's name and labels, Docker's resolver, its own line in hosts, bounded logs", () => {
  expect(configOf()).toEqual({
    id: ID,
    name: "web.1.web-1",
    image: "redis@sha256:0",
    labels: {
      "com.docker.swarm.task": "",
      "com.docker.swarm.task.id": "web-1",
      "com.docker.swarm.task.name": "web.1.web-1",
      "com.docker.swarm.node.id": "node1",
      "com.docker.swarm.service.id": "svc-web",
      "com.docker.swarm.service.name": "web",
      "shoal.gateway-address": "172.18.0.16",
    },
    env: [],
    groups: [],
    hostname: "0123456789ab",
    tty: false,
    openStdin: false,
    readOnly: false,
    mounts: [],
    hosts: [{ address: "10.0.1.5", names: ["0123456789ab"] }],
    dns: { nameservers: ["127.0.0.11"], search: ["example.org"], options: ["ndots:0"] },
    capAdd: [],
    capDrop: [],
    sysctls: {},
    ulimits: [],
    resources: {},
    netns: "/run/netns/task-web-1",
    logMaxBytes: 10 * 2 ** 20,
    logMaxFiles: 3,
  });
});

test("resolver options are added to Docker's, unless they say as much", () => {
  const optionsOf = (...options: string[]) =>
    configOf({ dns: { nameservers: [], search: [], options } }).dns.options;
  expect(optionsOf("timeout:3", "rotate")).toEqual(["timeout:3", "rotate", "ndots:0"]);
  expect(optionsOf("ndots:2")).toEqual(["ndots:2"]);
});

test("the user's words go before ours, but not before Swarm's labels", () => {
  const config = configOf({
    hostname: "db",
    command: ["run"],
    args: ["-v"],
    user: "70:71",
    dir: "/srv",
    init: false,
    stopSignal: "SIGINT",
    oomScoreAdj: -5,
    labels: { mine: "1", "com.docker.swarm.task.id": "forged" },
    dns: { nameservers: [], search: ["inner"], options: ["ndots:2"] },
    hosts: ["10.9.9.9 one two"],
  });
  expect(config).toMatchObject({
    ...{ hostname: "db", entrypoint: ["run"], args: ["-v"], user: "70:71", dir: "/srv", init: false },
    ...{ stopSignal: "SIGINT", oomScoreAdj: -5 },
    labels: { mine: "1", "com.docker.swarm.task.id": "web-1" },
    dns: { search: ["inner"], options: ["ndots:2"] },
    hosts: [
      { address: "10.0.1.5", names: ["db"] },
      { address: "10.9.9.9", names: ["one", "two"] },
    ],
  });
});

test("a task without a network has its address on the gateway bridge", () => {
  const config = containerConfigOf(aTask(aService("web"), 1), place);
  expect(config.hosts).toEqual([{ address: "172.18.0.16", names: ["0123456789ab"] }]);
});

const MiB = 2 ** 20;
const mounts: Mount[] = [
  { type: "bind", source: "/srv", target: "/data", readOnly: true, propagation: "rslave" },
  { type: "tmpfs", source: "", target: "/t", readOnly: false, sizeBytes: 64, mode: 0o700 },
  {
    ...{ type: "volume" as const, source: "v", target: "/v", readOnly: false, noCopy: true },
    ...{ labels: { a: "b" }, driver: "local", driverOptions: { type: "nfs" } },
  },
];
const health = {
  ...{ test: ["CMD", "ok"], intervalMs: 1, timeoutMs: 2, startPeriodMs: 3, startIntervalMs: 4, retries: 5 },
};
const privileges = { noNewPrivileges: true, seccomp: { mode: "unconfined", profile: "" } } as const;
const ulimits = [{ name: "nofile", soft: 1, hard: 2 }];

/** Every word of a container that `docker service create` can say (swarm-map 1.3), and what the runtime is told. */
test.each<[flag: string, Partial<ContainerSpec>, object]>([
  ["ENTRYPOINT", { command: ["run"] }, { entrypoint: ["run"] }],
  ["ARG…", { args: ["-v"] }, { args: ["-v"] }],
  ["--container-label", { labels: { mine: "1" } }, { labels: expect.objectContaining({ mine: "1" }) }],
  ["--env", { env: ["A=1", "B"] }, { env: ["A=1", "B"] }],
  ["--workdir", { dir: "/srv" }, { dir: "/srv" }],
  ["--user", { user: "70:71" }, { user: "70:71" }],
  ["--group", { groups: ["video"] }, { groups: ["video"] }],
  ["--hostname", { hostname: "db" }, { hostname: "db" }],
  ["--tty", { tty: true }, { tty: true }],
  ["OpenStdin", { openStdin: true }, { openStdin: true }],
  ["--read-only", { readOnly: true }, { readOnly: true }],
  ["--init", { init: true }, { init: true }],
  ["--init=false", { init: false }, { init: false }],
  ["--stop-signal", { stopSignal: "SIGINT" }, { stopSignal: "SIGINT" }],
  ["--mount", { mounts }, { mounts }],
  [
    "--dns-search",
    { dns: { nameservers: [], search: ["in"], options: [] } },
    { dns: expect.objectContaining({ search: ["in"] }) },
  ],
  [
    "--dns-option",
    { dns: { nameservers: [], search: [], options: ["ndots:2"] } },
    { dns: expect.objectContaining({ options: ["ndots:2"] }) },
  ],
  ["--cap-add", { capabilityAdd: ["CAP_NET_ADMIN"] }, { capAdd: ["CAP_NET_ADMIN"] }],
  ["--cap-drop", { capabilityDrop: ["ALL"] }, { capDrop: ["ALL"] }],
  ["--sysctl", { sysctls: { "net.core.somaxconn": "9" } }, { sysctls: { "net.core.somaxconn": "9" } }],
  ["--ulimit", { ulimits }, { ulimits }],
  ["--oom-score-adj", { oomScoreAdj: -5 }, { oomScoreAdj: -5 }],
  ["--health-*", { health }, { health }],
  ["Privileges", { privileges }, { privileges }],
])("%s reaches the container", (_, words, told) => {
  expect(configOf(words)).toEqual({
    ...configOf(),
    ...told,
    ...("hostname" in words && { hosts: expect.anything() }),
  });
});

test.each([
  ["none", [0, 0, 0], [0, 0], {}],
  ["limits", [5e8, 64 * MiB, 9], [0, 0], { nanoCpus: 5e8, memoryBytes: 64 * MiB, pids: 9 }],
  ["reserved cpus are the scheduler's affair", [0, 0, 0], [5e8, 0], {}],
  ["reserved memory", [0, 0, 0], [0, 8 * MiB], { memoryReservationBytes: 8 * MiB }],
  [
    "no more is kept than allowed",
    [0, 4 * MiB, 0],
    [0, 8 * MiB],
    { memoryBytes: 4 * MiB, memoryReservationBytes: 4 * MiB },
  ],
] as const)("resources: %s", (_, [nanoCpus, memoryBytes, pids], [cpus, memory], told) => {
  const limits = { nanoCpus, memoryBytes, pids };
  const reservations = { nanoCpus: cpus, memoryBytes: memory, generic: [] };
  expect(configOf({}, { resources: { limits, reservations } }).resources).toEqual(told);
});

test("generic resources are told as Docker tells them", () => {
  const generic: GenericResource[] = [
    { kind: "gpu", id: "uuid-1" },
    { kind: "ssd", count: 3 },
    { kind: "gpu", id: "uuid-2" },
  ];
  const { env } = containerConfigOf(aTask(aService("web"), 1, { generic }), place);
  expect(env).toEqual(["DOCKER_RESOURCE_GPU=uuid-1,uuid-2", "DOCKER_RESOURCE_SSD=3"]);
});

test("a log that is not kept", () => {
  expect(configOf({}, { log: { name: "none", options: {} } }).logDriver).toBe("none");
});

test.each([
  ["512", undefined, 512, 3],
  ["10k", "5", 10_240, 5],
  ["2M", "1", 2 * 2 ** 20, 1],
  ["1g", "0", 2 ** 30, 3],
  ["lots", "many", 10 * 2 ** 20, 3],
])("max-size %s and max-file %s", (size, files, bytes, count) => {
  const options = { "max-size": size, ...(files !== undefined && { "max-file": files }) };
  expect(configOf({}, { log: { name: "json-file", options } })).toMatchObject({
    logMaxBytes: bytes,
    logMaxFiles: count,
  });
});
