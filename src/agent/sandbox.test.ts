import { beforeEach, expect, test } from "vitest";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, silentLog } from "../lib/index.ts";
import { HOST_NETWORK, type PortSpec } from "../model/index.ts";
import { aService, aTask } from "../model/objects.fake.ts";
import { HOST } from "../netstate/index.ts";
import { type ClusterNetwork, GatewayAddresses, HostPorts, NetworkApplier } from "../network/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { type SandboxParts, TaskSandboxes } from "./sandbox.ts";

const GATEWAY = "172.18.0.0/16";

let kernel: FakeKernel;
let sandboxes: TaskSandboxes;
let network: ClusterNetwork;
let parts: SandboxParts;

const NO_FACTS = { networks: [], nodes: [], services: [], endpoints: [], attachments: [] };
const FRONT = {
  ...{ id: "front", name: "front", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
  ...{ ingress: false, internal: false, v6: { subnet: "fd00:1::/64", gateway: "fd00:1::1" } },
};

beforeEach(() => {
  kernel = new FakeKernel();
  network = new NetworkApplier({
    ...{ kernel, plan: { tag: "sh" }, clock: new FakeClock(), log: silentLog },
    settings: { gatewaySubnet: GATEWAY },
  }).enter({ nodeId: "n1", dataPathAddress: "192.0.2.1", dataPathPort: 4789 });
  network.setFacts(NO_FACTS);
  parts = {
    ...{ network, kernel, gateway: new GatewayAddresses(GATEWAY), hostPorts: new HostPorts() },
    ...{ nodeId: "n1", netnsDir: "/netns", search: [], upstreams: ["192.0.2.53"], address: "192.0.2.1" },
    ipv6: true,
    objectionTo: () => undefined,
    describe: () => ({ hostname: "one", platform: { architecture: "x86_64", os: "linux" } }),
  };
  sandboxes = new TaskSandboxes(parts);
});

function publishing(id: string, published: number): AssignedTask {
  const port: PortSpec = { name: "", protocol: "tcp", target: 80, published, publishMode: "host" };
  return aTask(aService(id, { endpoint: { mode: "vip", ports: [port] } }), 1, { id });
}

/** What the kernel sends to tasks of this node. */
function hostPorts(): unknown {
  const table = kernel.machine.read(HOST)?.tables.find(({ name }) => name === "sh-host");
  return table?.maps.find(({ name }) => name === "host-ports")?.elements;
}

test("a port that a program of the host has is refused with its number, and nothing is made for the task", async () => {
  kernel.machine.portsInUse.add("tcp/8080");
  await expect(sandboxes.attach(publishing("web", 8080))).rejects.toThrow(
    "cannot publish port: port 8080/tcp is in use on this node by another program",
  );
  expect(kernel.machine.names()).not.toContain("task-web");
  await sandboxes.attach(publishing("web2", 8081));
  // Once it is the task's, a program that comes later changes nothing.
  kernel.machine.portsInUse.add("tcp/8081");
  await sandboxes.attach(publishing("web2", 8081));
  expect(hostPorts()).toEqual({ "tcp . 8081": "172.18.0.16 . 80" });
});

test("what tasks hold stays theirs when more are assigned, and is forgotten by the next agent", async () => {
  await sandboxes.attach(publishing("web", 8080));
  sandboxes.adopt([], new Map());
  expect(parts.gateway.give("web")).toBe("172.18.0.16");
  expect(sandboxes.portsOf("web")).toMatchObject([{ published: 8080 }]);
  await sandboxes.attach(publishing("web2", 8081));
  expect(parts.gateway.give("web2")).toBe("172.18.0.17");
  parts.gateway.adopt("shell", "172.18.0.99", "container");
  const next = new TaskSandboxes(parts);
  expect(next.portsOf("web")).toEqual([]);
  expect(parts.gateway.give("shell", "container")).toBe("172.18.0.99");
});

test("a task of a network with IPv6: both addresses are its name's; a node without IPv6 refuses it", async () => {
  const attachments = [{ networkId: "front", address: "10.0.1.5", address6: "fd00:1::5" }];
  const task = { ...publishing("web", 8080), attachments };
  await expect(new TaskSandboxes({ ...parts, ipv6: false }).attach(task)).rejects.toThrow(
    "cannot attach task: its network has IPv6, and this node has none",
  );
  expect(kernel.machine.names()).not.toContain("task-web");
  const addressesOf = () =>
    network.facts().tasks.map(({ addresses, addresses6 }) => ({ addresses, addresses6 }));
  expect(addressesOf()).toEqual([]);
  const node = { id: "n1", dataPathAddress: "192.0.2.1", addresses: { front: "10.0.1.3" } };
  network.setFacts({ ...NO_FACTS, networks: [FRONT], nodes: [node] });
  const config = (await sandboxes.attach(task))(task, "c".repeat(64), "redis:3.2");
  expect(addressesOf()).toEqual([{ addresses: { front: "10.0.1.5" }, addresses6: { front: "fd00:1::5" } }]);
  expect(config.hosts.map(({ address }) => address)).toEqual(["10.0.1.5", "fd00:1::5"]);
  await sandboxes.detach("web");
});

test("SCTP ports are refused where the kernel does not follow such connections, and other tasks are not", async () => {
  kernel.machine.lackOfSctp = "this kernel does not follow SCTP connections";
  for (const publishMode of ["host", "ingress"] as const) {
    const { endpoint, ...rest } = publishing("signal", 8080);
    const ports = endpoint.ports.map((port) => ({ ...port, protocol: "sctp" as const, publishMode }));
    await expect(sandboxes.attach({ ...rest, endpoint: { ...endpoint, ports } })).rejects.toThrow(
      "cannot publish port 8080/sctp: this kernel does not follow SCTP connections",
    );
  }
  expect(kernel.machine.names()).not.toContain("task-signal");
  await sandboxes.attach(publishing("web", 8080));
});

test("a task on the node's own network: no sandbox, no port is asked for, the node's names", async () => {
  kernel.machine.portsInUse.add("tcp/8080");
  const { spec, ...rest } = publishing("web", 8080);
  const networks = [{ target: HOST_NETWORK.id, aliases: [] }];
  const task = { ...rest, spec: { ...spec, networks } };
  const before = kernel.machine.names();
  const config = (await sandboxes.attach(task))(task, "c".repeat(64), "redis:3.2");
  expect(config.netns).toBeUndefined();
  expect(config.hostname).toBe("one");
  expect(config.hosts).toEqual([{ address: "192.0.2.1", names: ["one"] }]);
  expect(config.dns).toEqual({ nameservers: ["192.0.2.53"], search: [], options: [] });
  expect(Object.keys(config.labels)).not.toContain("shoal.gateway-address");
  expect(kernel.machine.names()).toEqual(before);
  expect(sandboxes.portsOf("web")).toEqual([]);
  const asking = { nameservers: ["192.0.2.99"], search: ["corp.example"], options: ["rotate"] };
  const own = { ...task, spec: { ...task.spec, container: { ...spec.container, dns: asking } } };
  expect((await sandboxes.attach(own))(own, "c".repeat(64), "redis:3.2").dns).toEqual(asking);
  await sandboxes.detach("web");
});

test("a task that is to stop while the host is asked for its ports is not made after all", async () => {
  const { endpoint, ...rest } = publishing("web", 8080);
  const sctp = endpoint.ports.map((port) => ({ ...port, protocol: "sctp", publishMode: "ingress" }) as const);
  for (const ports of [endpoint.ports, sctp]) {
    const attached = sandboxes.attach({ ...rest, endpoint: { ...endpoint, ports } });
    attached.catch(() => undefined);
    await sandboxes.detach("web");
    await expect(attached).rejects.toThrow("it is to stop");
    expect(kernel.machine.names()).not.toContain("task-web");
  }
  await sandboxes.attach(publishing("other", 8080));
  expect(hostPorts()).toEqual({ "tcp . 8080": "172.18.0.16 . 80" });
});

test("a task of a network that overlaps with the node's own bridge is refused, and both are named", async () => {
  const node = { id: "n1", dataPathAddress: "192.0.2.1", addresses: { front: "172.18.7.3" } };
  const attachments = [{ networkId: "front", address: "172.18.7.5" }];
  const network4 = { ...FRONT, subnet: "172.18.7.0/24", gateway: "172.18.7.1" };
  network.setFacts({ ...NO_FACTS, networks: [network4], nodes: [node] });
  await expect(sandboxes.attach({ ...publishing("web", 8080), attachments })).rejects.toThrow(
    "cannot attach task: network front (172.18.7.0/24) overlaps with docker_gwbridge (172.18.0.0/16) of this node",
  );
  expect(kernel.machine.names()).not.toContain("task-web");
  await sandboxes.attach(publishing("web2", 8081));
});
