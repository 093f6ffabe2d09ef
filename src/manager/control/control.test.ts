import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, Fault, type FaultKind, seededRandom, silentLog } from "../../lib/index.ts";
import {
  type Change,
  DEFAULT_CLUSTER_SPEC,
  type NetworkSpec,
  put,
  type ServiceSpec,
  type Task,
} from "../../model/index.ts";
import { aNetwork, aNode, aRunning, aService } from "../../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../../store/index.ts";
import { planCluster } from "../planner.ts";
import { ClusterControl } from "./cluster.ts";
import { NetworkControl } from "./networks.ts";
import { NodeControl } from "./nodes.ts";
import type { ControlParts } from "./parts.ts";
import { ServiceControl } from "./services.ts";

/** The control against a real store on the fake backend: Docker's words for bad input, and nothing half made. */

let parts: ControlParts;
let store: Store;
let close: () => Promise<void>;

beforeEach(async () => {
  const clock = new FakeClock();
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const running = store.run(stop.signal);
  close = async () => {
    stop.abort();
    await running;
  };
  parts = { store, clock, random: seededRandom(1) };
});

afterEach(() => close());

const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const seed = (...changes: Change[]) => store.update(changes);
const spec = (name: string, rest: Partial<ServiceSpec> = {}): ServiceSpec => aService(name, rest).spec;
const publishing = (name: string, published: number): ServiceSpec =>
  spec(name, {
    endpoint: {
      mode: "vip",
      ports: [{ name: "", protocol: "tcp", target: 80, published, publishMode: "ingress" }],
    },
  });
const onNetworks = (name: string, ...targets: string[]): ServiceSpec => {
  const base = spec(name);
  return { ...base, task: { ...base.task, networks: targets.map((target) => ({ target, aliases: [] })) } };
};
const authed = (name: string, registryAuth?: string): ServiceSpec => {
  const base = spec(name);
  const container = { ...base.task.container, ...(registryAuth !== undefined && { registryAuth }) };
  return { ...base, task: { ...base.task, container } };
};
const overlay = (name: string, rest: Partial<NetworkSpec> = {}): NetworkSpec => aNetwork(name, rest).spec;

/** Expects a refusal that leaves the store exactly as it was. */
async function refused(work: () => Promise<unknown>, kind: FaultKind, words: string): Promise<void> {
  const version = store.version;
  const error: unknown = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Fault);
  expect(error).toMatchObject({ kind, message: expect.stringContaining(words) });
  expect(store.version).toBe(version);
}

describe("services", () => {
  let services: ServiceControl;
  let networks: NetworkControl;

  beforeEach(async () => {
    services = new ServiceControl(parts);
    networks = new NetworkControl(parts);
    const cluster = new ClusterControl(parts);
    await cluster.create({});
  });

  test("a name, a port and a network are checked against the cluster", async () => {
    const web = await services.create(publishing("web", 8080));
    expect(services.get(web.id)).toMatchObject({ specVersion: 1, spec: { name: "web" } });
    await refused(
      () => services.create(spec("web")),
      "exists",
      "name conflicts with an existing object: service web already exists",
    );
    await refused(() => services.create(spec("WEB")), "exists", "service WEB already exists");
    await refused(
      () => services.create(publishing("web2", 8080)),
      "invalid",
      `port '8080' is already in use by service 'web' (${web.id}) as an ingress port`,
    );
    await refused(
      () => services.create(onNetworks("x", "nowhere")),
      "not-found",
      "network nowhere not found",
    );
    await refused(
      () => services.create(onNetworks("x", "ingress")),
      "invalid",
      'Service cannot be explicitly attached to the ingress network "ingress"',
    );
    expect(services.list()).toHaveLength(1);
  });

  test("networks are named by name or id in the request and by id in the store, each once", async () => {
    const front = await networks.create(overlay("front"));
    const web = await services.create(onNetworks("web", "front"));
    expect(web.spec.task.networks).toEqual([{ target: front.id, aliases: [] }]);
    await refused(
      () => services.create(onNetworks("x", "front", front.id)),
      "invalid",
      "duplicate network attachment",
    );
  });

  test("an update needs the version that its writer saw", async () => {
    const web = await services.create(spec("web"));
    const update = (version: number) =>
      services.update("web", version, spec("web", { mode: { kind: "replicated", replicas: 2 } }));
    const next = await update(web.version);
    expect(next.specVersion).toBeGreaterThan(web.specVersion);
    expect(next.previousSpec).toEqual(web.spec);
    await refused(() => update(web.version), "conflict", "update out of sequence");
    await refused(() => services.update("nobody", 1, spec("web")), "not-found", "service nobody not found");
  });

  test("of two updates from one version one is made", async () => {
    const web = await services.create(spec("web"));
    const scale = (replicas: number) =>
      services.update(web.id, web.version, spec("web", { mode: { kind: "replicated", replicas } }));
    const outcomes = await Promise.allSettled([scale(2), scale(3)]);
    expect(outcomes.map((o) => o.status)).toEqual(["fulfilled", "rejected"]);
    expect(services.get("web").spec.mode).toEqual({ kind: "replicated", replicas: 2 });
  });

  test("of two services with one name, one port or one network's last breath, created at once, one is made", async () => {
    const names = await Promise.allSettled([services.create(spec("web")), services.create(spec("web"))]);
    expect(names.map((o) => o.status)).toEqual(["fulfilled", "rejected"]);
    const ports = await Promise.allSettled([
      services.create(publishing("a", 90)),
      services.create(publishing("b", 90)),
    ]);
    expect(ports.map((o) => o.status)).toEqual(["fulfilled", "rejected"]);
    await networks.create(overlay("front"));
    const used = await Promise.allSettled([
      services.create(onNetworks("c", "front")),
      networks.remove("front"),
    ]);
    expect(used.map((o) => o.status)).toEqual(["fulfilled", "rejected"]);
    expect(services.list()).toHaveLength(3);
  });

  test("a service has its name and mode for life", async () => {
    const web = await services.create(spec("web"));
    await refused(
      () => services.update("web", web.version, spec("web2")),
      "unsupported",
      "renaming services is not supported",
    );
  });

  test("an update forgets the last one's outcome, so that the CLI does not take it for its own", async () => {
    const web = await services.create(spec("web"));
    const updateStatus = { state: "completed", startedAt: 1, message: "update completed" } as const;
    await seed(put("service", { ...web, updateStatus }));
    const seen = services.get("web");
    expect((await services.update("web", seen.version, seen.spec)).updateStatus).toBeUndefined();
  });

  test("an update with the same words is another one: it has its own version, and the way back stays", async () => {
    const web = await services.create(spec("web"));
    const two = await services.update("web", web.version, { ...web.spec, labels: { a: "b" } });
    const same = await services.update("web", two.version, two.spec);
    expect(same.specVersion).toBeGreaterThan(two.specVersion);
    expect(same.previousSpec).toEqual(web.spec);
  });

  test("registry credentials are kept when an update brings none, and taken when it does", async () => {
    const web = await services.create(authed("web", "old"));
    const authOf = () => services.get("web").spec.task.container.registryAuth;
    await services.update("web", web.version, authed("web"));
    expect(authOf()).toBe("old");
    await services.update("web", services.get("web").version, authed("web", "new"));
    expect(authOf()).toBe("new");
    const labelled = { ...authed("web"), labels: { a: "b" } };
    await services.update("web", services.get("web").version, labelled, { authFrom: "previous-spec" });
    expect(authOf()).toBe("old");
  });

  test("rollback swaps the specs, twice is forward again", async () => {
    const web = await services.create(spec("web"));
    await refused(
      () => services.rollback("web", web.version),
      "precondition",
      "rpc error: code = FailedPrecondition desc = service web does not have a previous spec",
    );
    const forced = { ...web.spec, task: { ...web.spec.task, forceUpdate: 1 } };
    const two = await services.update("web", web.version, forced);
    const back = await services.rollback("web", two.version);
    expect(back).toMatchObject({
      spec: web.spec,
      previousSpec: two.spec,
      updateStatus: { state: "rollback_started", message: "manually requested rollback" },
    });
    expect((await services.rollback("web", back.version)).spec).toEqual(two.spec);
    await refused(() => services.rollback("web", 1), "conflict", "update out of sequence");
  });

  test("a rollback to a network that is gone says so", async () => {
    await networks.create(overlay("front"));
    const web = await services.create(onNetworks("web", "front"));
    const two = await services.update("web", web.version, spec("web"));
    await networks.remove("front");
    await refused(() => services.rollback("web", two.version), "not-found", "not found");
  });

  test("a removed service is gone at once; its tasks are told to go, and are forgotten when they have", async () => {
    await seed(put("node", unsaved(aNode("n1"))));
    await services.create(spec("web"));
    const plan = async () => {
      let n = 0;
      const { changes } = planCluster(store.view, { now: parts.clock.now(), newId: () => `t${++n}` });
      await store.update(changes);
      return [...store.view.all("task")];
    };
    const [task] = (await plan()) as [Task];
    await services.remove("web");
    await refused(() => services.remove("web"), "not-found", "service web not found");
    const [told] = (await plan()) as [Task];
    expect(told).toMatchObject({ id: task.id, desiredState: "remove" });
    await store.update([put("task", { ...told, status: { ...told.status, state: "shutdown" } })]);
    expect(await plan()).toEqual([]);
  });

  test("words stand for a full id, else a name, else a unique beginning of an id", async () => {
    const made = await Promise.all(["aa", "ab"].map((name) => services.create(spec(name))));
    const [a, b] = made.map((s) => s.id) as [string, string];
    await services.create(spec(a.slice(0, 3)));
    expect(services.get(a).id).toBe(a);
    expect(services.get(a.slice(0, 3)).spec.name).toBe(a.slice(0, 3));
    expect(services.get(b.slice(0, 10)).id).toBe(b);
    await seed(...["zz1", "zz2"].map((id) => put("service", unsaved({ ...aService(id), id }))));
    await refused(async () => services.get("zz"), "invalid", "service zz is ambiguous (2 matches found)");
    await refused(async () => services.get(""), "not-found", "service  not found");
  });
});

describe("networks", () => {
  let networks: NetworkControl;

  beforeEach(async () => {
    networks = new NetworkControl(parts);
    await new ClusterControl(parts).create({});
  });

  test("a network has its subnet and VNI as soon as it exists", async () => {
    const front = await networks.create(overlay("front", { ipam: [{ subnet: "10.50.0.0/24" }] }));
    expect(front.state).toEqual({ subnet: "10.50.0.0/24", gateway: "10.50.0.1", vni: 4096 });
    expect((await networks.create(overlay("back"))).state).toMatchObject({
      subnet: "10.0.0.0/24",
      vni: 4097,
    });
  });

  test("a subnet that the nodes' own bridge has is refused with its name, and never chosen", async () => {
    const ownSubnets = [{ name: "docker_gwbridge", subnet: "10.0.0.0/23" }];
    const beside = new NetworkControl({ ...parts, ownSubnets });
    for (const subnet of ["10.0.1.0/24", "10.0.0.0/8"]) {
      await refused(
        () => beside.create(overlay("within", { ipam: [{ subnet }] })),
        "forbidden",
        "invalid pool request: Pool overlaps with other one on this address space (docker_gwbridge, 10.0.0.0/23)",
      );
    }
    expect((await beside.create(overlay("back"))).state).toMatchObject({ subnet: "10.0.2.0/24" });
  });

  test.each<[string, Partial<NetworkSpec>, FaultKind, string]>([
    ["a taken name", { name: "front" }, "exists", "network with name front already exists"],
    ["a second ingress network", { ingress: true }, "exists", "is already present"],
    [
      "no subnet",
      { ipam: [{ subnet: "10.50.0.300/24" }] },
      "invalid",
      "invalid subnet 10.50.0.300/24: invalid CIDR",
    ],
    ["a tiny subnet", { ipam: [{ subnet: "10.50.0.0/30" }] }, "invalid", "too small"],
    [
      "an overlap",
      { ipam: [{ subnet: "10.40.0.128/25" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (network front",
    ],
    [
      "an overlap with another's second subnet",
      { ipam: [{ subnet: "10.50.0.0/24" }, { subnet: "10.41.0.0/16" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (network front, 10.41.7.0/24)",
    ],
    [
      "an overlap with itself",
      { ipam: [{ subnet: "10.50.0.0/24" }, { subnet: "10.50.0.128/25" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (network other, 10.50.0.0/24)",
    ],
    [
      "an overlap with itself in IPv6",
      { ipv6: true, ipam: [{ subnet: "fd00:50::/64" }, { subnet: "fd00:50::/48" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (network other, fd00:50::/64)",
    ],
    [
      "a gateway of another subnet of its own",
      { ipam: [{ subnet: "10.50.0.0/24" }, { subnet: "10.51.0.0/24", gateway: "10.50.0.1" }] },
      "invalid",
      "no matching subnet for gateway 10.50.0.1",
    ],
    [
      "an overlap in IPv6",
      { ipv6: true, ipam: [{ subnet: "fd00:40::/80" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (network dual, fd00:40::/64)",
    ],
    [
      "an overlap with what nodes use",
      { ipv6: true, ipam: [{ subnet: "fd53:686f::/32" }] },
      "forbidden",
      "(reserved, fd53:686f:616c::/48)",
    ],
    [
      "addresses that no host has",
      { ipam: [{ subnet: "224.0.1.0/24" }] },
      "forbidden",
      "Pool overlaps with other one on this address space (reserved, 224.0.0.0/3)",
    ],
    [
      "no IPv6 subnet",
      { ipv6: true, ipam: [{ subnet: "fd00::g/64" }] },
      "invalid",
      "fd00::g/64: invalid CIDR",
    ],
    ["a tiny IPv6 subnet", { ipv6: true, ipam: [{ subnet: "fd00:50::/126" }] }, "invalid", "too small"],
    [
      "a stray IPv6 gateway",
      { ipv6: true, ipam: [{ subnet: "fd00:50::/64", gateway: "fd00:51::1" }] },
      "invalid",
      "no matching subnet for gateway fd00:51::1",
    ],
    [
      "packets too small for IPv6",
      { ipv6: true, driverOptions: { "com.docker.network.driver.mtu": "1329" } },
      "invalid",
      "must be a number from 1330 to 65535",
    ],
    [
      "a scheduler that Linux does not have",
      { driverOptions: { "shoal.ipvs.scheduler": "best" } },
      "invalid",
      'invalid value "best" for shoal.ipvs.scheduler: must be one of rr, lc, sh, mh',
    ],
    [
      "a stray gateway",
      { ipam: [{ subnet: "10.50.0.0/24", gateway: "10.51.0.1" }] },
      "invalid",
      "no matching subnet for gateway 10.51.0.1",
    ],
    ["a gateway alone", { ipam: [{ gateway: "10.51.0.1" }] }, "invalid", "no matching subnet for gateway"],
    [
      "a stray range",
      { ipam: [{ subnet: "10.50.0.0/24", ipRange: "10.50.0.0/16" }] },
      "invalid",
      "no matching subnet for range",
    ],
    [
      "a stray auxiliary address",
      { ipam: [{ subnet: "10.50.0.0/24", auxAddresses: { a: "10.9.0.1" } }] },
      "invalid",
      "no matching subnet for aux-address 10.9.0.1",
    ],
    [
      "a predefined name",
      { name: "host" },
      "forbidden",
      "operation is not permitted on predefined host network",
    ],
    [
      "an MTU that IPv6 and its encryption do not fit into",
      { ipv6: true, driverOptions: { encrypted: "", "com.docker.network.driver.mtu": "1363" } },
      "invalid",
      "must be a number from 1364 to 65535, encrypted",
    ],
    [
      "a rotation without encryption",
      { driverOptions: { "shoal.encryption.rotation": "1h" } },
      "invalid",
      "cannot use shoal.encryption.rotation without encrypted",
    ],
    [
      "a rotation too fast to follow",
      { driverOptions: { encrypted: "", "shoal.encryption.rotation": "0s" } },
      "invalid",
      'invalid value "0s" for shoal.encryption.rotation: must be from 1s to 168h, in s, m or h',
    ],
    [
      "no MTU",
      { driverOptions: { "com.docker.network.driver.mtu": "big" } },
      "invalid",
      'invalid value "big"',
    ],
  ])("%s is refused", async (_, rest, kind, words) => {
    const ipam = [{ subnet: "10.40.0.0/24" }, { subnet: "10.41.7.0/24" }];
    await networks.create(overlay("front", { ipam }));
    await networks.create(overlay("dual", { ipv6: true, ipam: [{ subnet: "fd00:40::/64" }] }));
    await refused(() => networks.create({ ...overlay("other"), ...rest }), kind, words);
  });

  test("one in use stays, whoever uses it", async () => {
    const front = await networks.create(overlay("front"));
    const services = new ServiceControl(parts);
    const web = await services.create(onNetworks("web", "front"));
    await refused(
      () => networks.remove("front"),
      "precondition",
      `network ${front.id} is in use by service ${web.id}`,
    );
    const { id, version, spec } = services.get("web");
    await services.update(id, version, { ...spec, task: { ...spec.task, networks: [] } });
    const attachments = [{ networkId: front.id, address: "10.0.0.9" }];
    await seed(
      put("node", unsaved(aNode("n1"))),
      put("task", unsaved(aRunning(web, 1, "n1", { attachments }))),
    );
    await refused(() => networks.remove("front"), "precondition", `is in use by task web-1`);
    const node = store.view.get("node", "n1")!;
    await seed(put("node", { ...node, status: { ...node.status, state: "down" } }));
    await networks.remove("front");
    await refused(() => networks.remove("front"), "not-found", "network front not found");
  });

  test("tasks of a removed service hold no network, so that it can go right behind the service", async () => {
    const front = await networks.create(overlay("front"));
    const services = new ServiceControl(parts);
    const web = await services.create(onNetworks("web", "front"));
    const attachments = [{ networkId: front.id, address: "10.0.0.9" }];
    await seed(
      put("node", unsaved(aNode("n1"))),
      put("task", unsaved(aRunning(web, 1, "n1", { attachments }))),
    );
    await services.remove("web");
    await networks.remove("front");
    expect(networks.list().map((n) => n.spec.name)).not.toContain("front");
  });

  test("ingress stays while a port is published there, and can be made anew", async () => {
    const services = new ServiceControl(parts);
    await services.create(publishing("web", 80));
    await refused(() => networks.remove("ingress"), "precondition", "is in use by service");
    await services.remove("web");
    await networks.remove("ingress");
    expect((await networks.create(overlay("mesh", { ingress: true }))).spec.ingress).toBe(true);
  });

  test("two that overlap, created at once: one is made", async () => {
    const make = (name: string, subnet: string) => networks.create(overlay(name, { ipam: [{ subnet }] }));
    const made = await Promise.allSettled([make("a", "10.60.0.0/16"), make("b", "10.60.7.0/24")]);
    expect(made.map((o) => o.status)).toEqual(["fulfilled", "rejected"]);
  });
});

describe("nodes", () => {
  let nodes: NodeControl;
  const manager = aNode("m1", {
    role: "manager",
    spec: { labels: {}, role: "manager", availability: "active" },
  });
  const worker = aNode("w1");
  const down = aNode("w2", { status: { state: "down", message: "", address: "" } });

  beforeEach(async () => {
    nodes = new NodeControl(parts);
    await seed(...[manager, worker, down].map((node) => put("node", unsaved(node))));
  });

  test("availability and labels are the user's; the version guards them", async () => {
    const { version, spec: old } = nodes.get("w1");
    await nodes.update("w1", version, { ...old, availability: "drain", labels: { disk: "ssd" } });
    expect(nodes.get("w1").spec).toMatchObject({ availability: "drain", labels: { disk: "ssd" } });
    await refused(() => nodes.update("w1", version, old), "conflict", "update out of sequence");
  });

  test("the last manager cannot be demoted, and nobody can be promoted yet", async () => {
    const m1 = nodes.get("m1");
    await refused(
      () => nodes.update("m1", m1.version, { ...m1.spec, role: "worker" }),
      "precondition",
      "attempting to demote the last manager of the swarm",
    );
    const w1 = nodes.get("w1");
    await refused(
      () => nodes.update("w1", w1.version, { ...w1.spec, role: "manager" }),
      "unsupported",
      "more than one manager is not supported yet",
    );
  });

  test("only a worker that is down is forgotten, or with force any", async () => {
    await refused(() => nodes.remove("m1", true), "precondition", "must be demoted to worker before removal");
    await refused(() => nodes.remove("w1", false), "precondition", "is not down and can't be removed");
    await nodes.remove("w2", false);
    await nodes.remove("w1", true);
    expect(nodes.list().map((n) => n.id)).toEqual(["m1"]);
    await refused(() => nodes.remove("w1", false), "not-found", "node w1 not found");
  });

  test("hostnames may be shared; then the word is ambiguous", async () => {
    const twin = { ...aNode("x1"), description: { ...worker.description!, hostname: "w1-host" } };
    await seed(put("node", unsaved(twin)), put("node", unsaved({ ...twin, id: "x2" })));
    await refused(async () => nodes.get("w1-host"), "invalid", "node w1-host is ambiguous (2 matches found)");
  });
});

describe("the cluster", () => {
  test("is made whole: root, tokens, ingress network", async () => {
    const control = new ClusterControl(parts);
    await refused(async () => control.get(), "unavailable", "holds no cluster");
    const cluster = await control.create({
      addressPools: ["10.20.0.0/16"],
      subnetSize: 26,
      dataPathPort: 5000,
    });
    expect(cluster).toMatchObject({ addressPools: ["10.20.0.0/16"], subnetSize: 26, dataPathPort: 5000 });
    expect(cluster.rootCa.certificatePem).toContain("BEGIN CERTIFICATE");
    expect(store.view.networkByName("ingress")?.spec.ingress).toBe(true);
  });

  test.each([
    [{ dataPathPort: 1023 }, "Datapath port is not valid"],
    [{ dataPathPort: 49_152 }, "Datapath port is not valid"],
    [{ subnetSize: 30 }, "invalid subnet size 30"],
    [{ addressPools: ["10.0.0.0/26"], subnetSize: 24 }, "invalid subnet size 24: must be from 26 to 29"],
    [{ addressPools: ["10.0.0.0/40"] }, "invalid CIDR address: 10.0.0.0/40"],
    [
      { addressPools: ["10.0.0.0/8", "172.18.0.0/20"] },
      "invalid default address pool 172.18.0.0/20: its first subnet overlaps with docker_gwbridge, 172.18.0.0/16",
    ],
  ])("%j is refused", async (choice, words) => {
    const ownSubnets = [{ name: "docker_gwbridge", subnet: "172.18.0.0/16" }];
    await refused(() => new ClusterControl({ ...parts, ownSubnets }).create(choice), "invalid", words);
  });

  test("rotating a token replaces that secret and no other", async () => {
    const control = new ClusterControl(parts);
    const before = await control.create({});
    await control.update(before.version, DEFAULT_CLUSTER_SPEC, { worker: true });
    const after = control.get();
    expect(after.joinSecrets.worker).not.toBe(before.joinSecrets.worker);
    expect(after.joinSecrets.manager).toBe(before.joinSecrets.manager);
    expect(after.rootCa).toEqual(before.rootCa);
    await refused(
      () => control.update(before.version, DEFAULT_CLUSTER_SPEC, {}),
      "conflict",
      "update out of sequence",
    );
  });
});
