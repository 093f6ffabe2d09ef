import { expect, test } from "vitest";
import type { ContainerSpec, TaskSpec } from "../model/index.ts";
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

test("limits of zero are no limits", () => {
  const reservations = { nanoCpus: 5, memoryBytes: 5, generic: [] };
  const limits = { nanoCpus: 0, memoryBytes: 2 ** 20, pids: 0 };
  expect(configOf({}, { resources: { limits, reservations } }).resources).toEqual({ memoryBytes: 2 ** 20 });
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
