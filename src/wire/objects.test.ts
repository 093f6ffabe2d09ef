import { describe, expect, test } from "vitest";
import {
  aCluster,
  aContainer,
  aNetwork,
  aNode,
  aRunning,
  aService,
  aTask,
  aTaskSpec,
  T0,
} from "../model/objects.fake.ts";
import { bridgeSpecFromWire, localNetworkToWire } from "./bridge.ts";
import { clusterToWire, initFromWire, swarmInspectToWire } from "./cluster.ts";
import { networkSpecFromWire, networkToWire } from "./network.ts";
import { nodeSpecFromWire, nodeToWire } from "./node.ts";
import { addressesOf, serviceStatus, serviceStatusToWire, serviceToWire } from "./service.ts";
import { taskToWire } from "./task.ts";

const AT = "2023-11-14T22:13:20Z";
const front = aNetwork("front", {}, { state: { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 } });
const networks = new Map([[front.id, front]]);

describe("a service", () => {
  const service = aService(
    "web",
    { endpoint: { mode: "vip", ports: [] } },
    {
      endpoint: {
        spec: { mode: "vip", ports: [] },
        ports: [{ name: "", protocol: "tcp", target: 80, published: 30000, publishMode: "ingress" }],
        vips: [
          { networkId: front.id, address: "10.0.1.2" },
          { networkId: "gone", address: "10.0.9.2" },
        ],
      },
      updateStatus: { state: "completed", startedAt: T0, completedAt: T0 + 1500, message: "done" },
    },
  );

  test("shows its addresses with their prefix, and what it was given", () => {
    expect(serviceToWire(service, { networks })).toMatchObject({
      ID: "svc-web",
      Version: { Index: 1 },
      CreatedAt: AT,
      Endpoint: {
        Spec: { Mode: "vip" },
        Ports: [{ Protocol: "tcp", TargetPort: 80, PublishedPort: 30000, PublishMode: "ingress" }],
        VirtualIPs: [
          { NetworkID: front.id, Addr: "10.0.1.2/24" },
          { NetworkID: "gone", Addr: "10.0.9.2" },
        ],
      },
      UpdateStatus: {
        State: "completed",
        StartedAt: AT,
        CompletedAt: "2023-11-14T22:13:21.5Z",
        Message: "done",
      },
    });
  });

  test("that was given nothing has an empty endpoint", () => {
    const nothing = { spec: { mode: "vip", ports: [] }, ports: [], vips: [] } as const;
    const served = serviceToWire({ ...aService("new"), endpoint: nothing }, { networks });
    expect(served["Endpoint"]).toEqual({ Spec: {} });
  });

  test("that nobody served yet has an empty endpoint", () => {
    const shown = serviceToWire(aService("new"), { networks });
    expect(shown["Endpoint"]).toEqual({ Spec: {} });
    expect(shown).not.toHaveProperty("PreviousSpec");
    expect(shown).not.toHaveProperty("UpdateStatus");
    expect(shown).not.toHaveProperty("ServiceStatus");
  });

  test("has the defaults filled in for today's words alone", () => {
    const changed = { ...aService("web"), previousSpec: aService("web").spec };
    const shown = serviceToWire(changed, { networks, defaults: true });
    expect(shown["Spec"]).toHaveProperty("UpdateConfig");
    expect(shown["PreviousSpec"]).not.toHaveProperty("UpdateConfig");
  });

  test("counts its running tasks", () => {
    const three = aService("three", { mode: { kind: "replicated", replicas: 3 } });
    const tasks = [aRunning(three, 1, "n1"), aRunning(three, 2, "n1"), aTask(three, 3)];
    expect(serviceStatus(three, tasks)).toEqual({ running: 2, desired: 3, completed: 0 });
  });

  test("on every node counts the tasks that should run", () => {
    const everywhere = aService("all", { mode: { kind: "global" } });
    const tasks = [
      aRunning(everywhere, 0, "n1"),
      aTask(everywhere, 0, { nodeId: "n2" }),
      aRunning(everywhere, 0, "n3", { desiredState: "shutdown" }),
    ];
    expect(serviceStatus(everywhere, tasks)).toEqual({ running: 2, desired: 2, completed: 0 });
  });

  const done = { at: T0, state: "complete", message: "finished" } as const;

  test("that is a job counts what is done, of this iteration alone", () => {
    const mode = { kind: "replicated-job", maxConcurrent: 2, totalCompletions: 5 } as const;
    const job = aService("job", { mode }, { job: { iteration: 1, lastExecution: T0 } });
    const tasks = [
      aRunning(job, 0, "n1"),
      aTask(job, 1, { status: done }),
      aTask(job, 2, { status: done, jobIteration: 0 }),
    ];
    expect(serviceStatus(job, tasks)).toEqual({ running: 1, desired: 2, completed: 1 });
    expect(serviceStatusToWire(serviceStatus(job, tasks))).toEqual({
      RunningTasks: 1,
      DesiredTasks: 2,
      CompletedTasks: 1,
    });
    expect(serviceToWire(job, { networks })).toMatchObject({
      Spec: { Mode: { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 5 } } },
      JobStatus: { JobIteration: { Index: 1 }, LastExecution: AT },
    });
  });

  test("that is a job on every node wants what is not done", () => {
    const mode = { kind: "global-job" } as const;
    const job = aService("job", { mode }, { job: { iteration: 0, lastExecution: T0 } });
    const tasks = [
      aRunning(job, 0, "n1", { desiredState: "complete" }),
      aTask(job, 0, { status: done, desiredState: "complete" }),
    ];
    expect(serviceStatus(job, tasks)).toEqual({ running: 1, desired: 1, completed: 1 });
  });
});

describe("a task", () => {
  test("shows its state, container, ports and places", () => {
    const service = aService("web");
    const task = aRunning(service, 2, "n1", {
      attachments: [
        { networkId: front.id, address: "10.0.1.5" },
        { networkId: "gone", address: "10.0.9.5" },
      ],
      status: {
        at: T0,
        state: "failed",
        message: "started",
        error: "task: non-zero exit (137)",
        container: { id: "c1", pid: 0, exitCode: 137 },
        ports: [{ name: "", protocol: "tcp", target: 80, published: 8080, publishMode: "host" }],
      },
    });
    expect(taskToWire(task, networks)).toMatchObject({
      ID: task.id,
      ServiceID: service.id,
      Slot: 2,
      NodeID: "n1",
      DesiredState: "running",
      Status: {
        Timestamp: AT,
        State: "failed",
        Message: "started",
        Err: "task: non-zero exit (137)",
        ContainerStatus: { ContainerID: "c1", PID: 0, ExitCode: 137 },
        PortStatus: { Ports: [{ TargetPort: 80, PublishedPort: 8080, PublishMode: "host" }] },
      },
      NetworksAttachments: [
        {
          Addresses: ["10.0.1.5/24"],
          Network: {
            ID: front.id,
            Spec: { Name: "front", DriverConfiguration: { Name: "overlay" }, Scope: "swarm" },
            DriverState: { Options: { "com.docker.network.driver.overlay.vxlanid_list": "4097" } },
            IPAMOptions: { Configs: [{ Subnet: "10.0.1.0/24", Gateway: "10.0.1.1" }] },
          },
        },
      ],
    });
    expect(taskToWire(task, networks)["NetworksAttachments"]).toHaveLength(1);
  });

  test("of a job shows its run, and what it was given", () => {
    const job = aService(
      "job",
      { mode: { kind: "global-job" } },
      { job: { iteration: 3, lastExecution: T0 } },
    );
    const generic = [
      { kind: "gpu", id: "uuid-1" },
      { kind: "ssd", count: 2 },
    ];
    expect(taskToWire(aTask(job, 0, { generic, nodeId: "n1" }), networks)).toMatchObject({
      NodeID: "n1",
      DesiredState: "complete",
      JobIteration: { Index: 3 },
      GenericResources: [
        { NamedResourceSpec: { Kind: "gpu", Value: "uuid-1" } },
        { DiscreteResourceSpec: { Kind: "ssd", Value: 2 } },
      ],
    });
    expect(taskToWire(aTask(aService("web"), 1), networks)).not.toHaveProperty("JobIteration");
  });

  test("that waits says why, and has no node", () => {
    const status = {
      at: T0,
      state: "pending",
      message: "pending task scheduling",
      error: "no room",
    } as const;
    const shown = taskToWire(aTask(aService("web"), 1, { status }), networks);
    expect(shown).not.toHaveProperty("NodeID");
    expect(shown["Status"]).toMatchObject({ State: "pending", Err: "no room", PortStatus: {} });
  });

  test("never shows registry credentials", () => {
    const container = { ...aContainer, registryAuth: "c2VjcmV0" };
    const service = aService("web", { task: { ...aTaskSpec, container } });
    expect(JSON.stringify(taskToWire(aTask(service, 1), networks))).not.toContain("c2VjcmV0");
  });
});

describe("a node", () => {
  const view = { leaderId: "m1", tls: {} };

  test("that manages shows who leads and whom one can reach", () => {
    const lead = aNode("m1", { role: "manager", managerAddress: "10.9.0.1:2377" });
    expect(nodeToWire(lead, view)["ManagerStatus"]).toEqual({
      Leader: true,
      Reachability: "reachable",
      Addr: "10.9.0.1:2377",
    });
    const status = { state: "down", message: "heartbeat failure", address: "10.9.0.2" } as const;
    const lost = aNode("m2", { role: "manager", managerAddress: "10.9.0.2:2377", status });
    expect(nodeToWire(lost, view)).toMatchObject({
      Status: { State: "down", Message: "heartbeat failure" },
      ManagerStatus: { Reachability: "unreachable" },
    });
    expect(nodeToWire(lost, view)["ManagerStatus"]).not.toHaveProperty("Leader");
  });

  test("shows what it has beside CPU and memory", () => {
    const { description } = aNode("n");
    if (description === undefined) throw new Error("a node without description");
    const generic = [{ kind: "gpu", count: 2 }];
    const resources = { ...description.resources, generic };
    const node = aNode("n", { description: { ...description, resources } });
    expect(nodeToWire(node, view)["Description"]).toMatchObject({
      Resources: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: 2 } }] },
    });
  });

  test("that works, and one whose agent has not spoken yet", () => {
    const { description: _, ...silent } = aNode("w1");
    const shown = nodeToWire(silent, view);
    expect(shown).not.toHaveProperty("ManagerStatus");
    expect(shown["Description"]).toEqual({ Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} });
  });

  test("spec comes back as it was shown", () => {
    const spec = { name: "x", labels: { a: "b" }, role: "manager", availability: "pause" } as const;
    expect(nodeSpecFromWire(nodeToWire(aNode("n", { spec }), view)["Spec"])).toEqual(spec);
  });

  test.each([
    [{ Role: "boss" }, 'invalid Role: "boss"'],
    [{ Availability: "gone" }, 'invalid Availability: "gone"'],
    [{ Labels: { a: 1 } }, "invalid node spec: Labels.a: invalid input: expected string, received number"],
    [{ Foo: 1 }, "invalid node spec: unknown field Foo"],
  ])("spec %j is refused", (body, refusal) => {
    expect(() => nodeSpecFromWire(body)).toThrow(refusal);
  });
});

describe("a network", () => {
  test("shows what it was given, with what was asked beside it", () => {
    const asked = { subnet: "10.0.1.0/24", auxAddresses: { router: "10.0.1.9" } };
    const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", ipRange: "10.0.1.128/25", vni: 4100 };
    const network = aNetwork("full", { ipam: [asked], internal: true }, { state });
    expect(networkToWire(network)).toMatchObject({
      Id: "net-full",
      EnableIPv4: true,
      EnableIPv6: false,
      Created: AT,
      Internal: true,
      IPAM: {
        Config: [
          {
            Subnet: "10.0.1.0/24",
            Gateway: "10.0.1.1",
            IPRange: "10.0.1.128/25",
            AuxiliaryAddresses: { router: "10.0.1.9" },
          },
        ],
      },
      Options: { "com.docker.network.driver.overlay.vxlanid_list": "4100" },
    });
  });

  test("with IPv6 shows both of its families", () => {
    const ipam = [{ subnet: "fd00:1::/64" }, { subnet: "10.0.1.0/24" }];
    const v6 = { subnet: "fd00:1::/64", gateway: "fd00:1::1", cursor: "fd00:1::7" };
    const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4100, v6 };
    expect(networkToWire(aNetwork("dual", { ipv6: true, ipam }, { state }))).toMatchObject({
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Config: [
          { Subnet: "10.0.1.0/24", Gateway: "10.0.1.1" },
          { Subnet: "fd00:1::/64", Gateway: "fd00:1::1" },
        ],
      },
    });
  });

  test("of several subnets shows each with its own words, and addresses with their own prefix", () => {
    const ipam = [
      { subnet: "10.1.0.0/24", auxAddresses: { a: "10.1.0.9" } },
      { subnet: "10.2.0.0/16", ipRange: "10.2.7.0/24", auxAddresses: { b: "10.2.7.9" } },
    ];
    const more = [{ subnet: "10.2.0.0/16", gateway: "10.2.0.1", ipRange: "10.2.7.0/24", cursor: "10.2.7.3" }];
    const v6 = {
      ...{ subnet: "fd00:1::/64", gateway: "fd00:1::1" },
      more: [{ subnet: "fd00:2::/80", gateway: "fd00:2::1" }],
    };
    const state = { subnet: "10.1.0.0/24", gateway: "10.1.0.1", vni: 4100, cursor: "10.1.0.3", more, v6 };
    const wide = aNetwork("wide", { ipv6: true, ipam }, { state });
    expect(networkToWire(wide)).toMatchObject({
      IPAM: {
        Config: [
          { Subnet: "10.1.0.0/24", Gateway: "10.1.0.1", AuxiliaryAddresses: { a: "10.1.0.9" } },
          {
            ...{ Subnet: "10.2.0.0/16", IPRange: "10.2.7.0/24", Gateway: "10.2.0.1" },
            AuxiliaryAddresses: { b: "10.2.7.9" },
          },
          { Subnet: "fd00:1::/64", Gateway: "fd00:1::1" },
          { Subnet: "fd00:2::/80", Gateway: "fd00:2::1" },
        ],
      },
      Options: { "com.docker.network.driver.overlay.vxlanid_list": "4100" },
    });
    const at = (address: string, address6: string) =>
      addressesOf({ networkId: "net-wide", address, address6 }, wide);
    expect(at("10.1.0.3", "fd00:1::3")).toEqual(["10.1.0.3/24", "fd00:1::3/64"]);
    expect(at("10.2.7.3", "fd00:2::3")).toEqual(["10.2.7.3/16", "fd00:2::3/80"]);
  });

  test("of the node has one subnet of each family, as Docker's bridges", () => {
    const ask = (...subnets: string[]) =>
      bridgeSpecFromWire({
        ...{ Name: "app", EnableIPv6: true },
        IPAM: { Config: subnets.map((Subnet) => ({ Subnet })) },
      });
    expect(ask("10.9.0.0/24", "fd00:9::/64").ipam).toHaveLength(2);
    for (const two of [
      ["10.9.0.0/24", "10.8.0.0/24"],
      ["fd00:9::/64", "fd00:8::/64"],
    ])
      expect(() => ask(...two)).toThrow("bridge driver doesn't support multiple subnets");
  });

  test.each<[Record<string, unknown>, string]>([
    [{ EnableIPv4: false }, "cannot use --ipv4=false"],
    [{ IPAM: { Config: [{ Subnet: "fd00:1::/64" }] } }, "cannot use subnet fd00:1::/64: it is IPv6"],
    [{ EnableIPv6: true, Ingress: true }, "cannot use --ipv6 with --ingress"],
  ])("asked for by %j is refused", (words, refusal) => {
    expect(() => networkSpecFromWire({ Name: "net", Driver: "overlay", ...words })).toThrow(refusal);
  });

  test("asked for with IPv6, with and without subnets", () => {
    const ask = (...subnets: string[]) =>
      networkSpecFromWire({
        ...{ Name: "net", Driver: "overlay", EnableIPv6: true },
        IPAM: { Driver: "", Options: {}, Config: subnets.map((Subnet) => ({ Subnet })) },
      });
    expect(ask()).toMatchObject({ ipv6: true, ipam: [] });
    expect(ask("fd00:1::/64", "10.0.1.0/24")).toMatchObject({
      ipv6: true,
      ipam: [{ subnet: "fd00:1::/64" }, { subnet: "10.0.1.0/24" }],
    });
    expect(networkSpecFromWire({ Name: "net", Driver: "overlay" })).not.toHaveProperty("ipv6");
  });

  test("that nobody served yet shows what was asked for", () => {
    const shown = networkToWire(aNetwork("new", { ipam: [{ subnet: "10.8.0.0/24" }] }));
    expect(shown).toMatchObject({ IPAM: { Config: [{ Subnet: "10.8.0.0/24" }] }, Options: {} });
  });

  test("of the node", () => {
    expect(
      localNetworkToWire({
        id: "f",
        name: "docker_gwbridge",
        driver: "bridge",
        scope: "local",
        subnet: "172.18.0.0/16",
        gateway: "172.18.0.1",
        internal: false,
        ingress: false,
      }),
    ).toMatchObject({
      Name: "docker_gwbridge",
      Scope: "local",
      Driver: "bridge",
      IPAM: { Config: [{ Subnet: "172.18.0.0/16", Gateway: "172.18.0.1" }] },
    });
  });
});

describe("the cluster", () => {
  const cluster = aCluster({
    rootCa: { certificatePem: "", keyPem: "-----BEGIN PRIVATE KEY-----" },
    joinSecrets: { worker: "wsecret", manager: "msecret" },
  });

  test("never shows its secrets, and its tokens only to who asks for the swarm", () => {
    const info = JSON.stringify(clusterToWire(cluster));
    expect(info).not.toMatch(/PRIVATE KEY|wsecret|msecret|JoinTokens/);
    expect(swarmInspectToWire(cluster, { worker: "W", manager: "M" })).toEqual({
      ...clusterToWire(cluster),
      JoinTokens: { Worker: "W", Manager: "M" },
    });
  });

  test("is founded with Swarm's defaults for what nobody said", () => {
    expect(initFromWire({})).toEqual({
      listenAddress: "0.0.0.0:2377",
      advertiseAddress: "",
      dataPathAddress: "",
      dataPathPort: 0,
      addressPools: [],
      subnetSize: 0,
      forceNewCluster: false,
      availability: "active",
      spec: {
        name: "default",
        labels: {},
        taskHistoryLimit: 5,
        heartbeatMs: 5000,
        nodeCertExpiryMs: 7_776_000_000,
      },
    });
  });

  test("keeps no history when it is told so", () => {
    const spec = { Orchestration: { TaskHistoryRetentionLimit: 0 } };
    expect(initFromWire({ Spec: spec }).spec.taskHistoryLimit).toBe(0);
  });
});
