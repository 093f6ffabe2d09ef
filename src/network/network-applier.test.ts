import { beforeEach, expect, test } from "vitest";
import type { NodeFact, TaskFact } from "../dataplane/index.ts";
import type { ApplyFailure, Kernel } from "../kernel/index.ts";
import { FakeClock, messageOf, silentLog } from "../lib/index.ts";
import { EMPTY_NAMESPACE, type NodeNetwork } from "../netstate/index.ts";
import type { ClusterFacts, ClusterNetwork } from "./cluster-network.ts";
import { GatewayAddresses } from "./gateway-addresses.ts";
import { NetworkApplier } from "./network-applier.ts";
import { LINGER_MS } from "./tenant.ts";

/** A kernel that refuses what it is told to refuse, and lets an application last as long as the test wants. */
class Stubborn implements Kernel {
  readonly applied: NodeNetwork[] = [];
  refused: readonly ApplyFailure[] = [];
  changed: (() => void) | undefined;
  hold: Promise<void> | undefined;
  /** By namespace. */
  readonly undeliveredIn = new Map<string, number>();

  async apply(wanted: NodeNetwork) {
    this.applied.push(wanted);
    await this.hold;
    return { failures: this.refused, changes: 1 };
  }
  async sweep() {
    return [];
  }
  async observe() {
    return { namespaces: {} };
  }
  watch(_signal: AbortSignal, onChange: () => void) {
    this.changed = onChange;
  }
  async undelivered(namespace: string) {
    return this.undeliveredIn.get(namespace) ?? 0;
  }
  async lackOfSctp() {
    return "";
  }
  async lackOfEncryption() {
    return "";
  }
  async lackOfFlowTables() {
    return "";
  }

  async portsInUse() {
    return new Set<string>();
  }
  async destroy() {}
}

const GATEWAY = "172.18.0.0/16";
const self: NodeFact = { id: "n1", dataPathAddress: "192.0.2.1", addresses: { front: "10.0.1.3" } };
const front = {
  ...{ id: "front", name: "front", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
  ...{ ingress: false, internal: false },
};
const facts: ClusterFacts = {
  ...{ networks: [front], nodes: [self], services: [], endpoints: [], attachments: [] },
};
const none: ClusterFacts = { ...facts, networks: [], nodes: [] };
const broken: ClusterFacts = { ...facts, networks: [{ ...front, subnet: "none" }] };

const member = { nodeId: "n1", dataPathAddress: "192.0.2.1", dataPathPort: 4789 };

const task = (taskId: string, number = 16): TaskFact => ({
  ...{ taskId, serviceId: "web", addresses: { front: `10.0.1.${number}` } },
  ...{ gatewayAddress: `172.18.0.${number}`, hostPorts: [] },
});

let clock: FakeClock;
let kernel: Stubborn;
let applier: NetworkApplier;
let network: ClusterNetwork;

beforeEach(() => {
  clock = new FakeClock();
  kernel = new Stubborn();
  applier = new NetworkApplier({
    ...{ kernel, clock, log: silentLog, plan: { tag: "sh" } },
    settings: { gatewaySubnet: GATEWAY },
  });
  network = applier.enter(member);
  network.setFacts(facts);
});

const outcome = (work: Promise<void>) => work.then(() => "done", messageOf);

test("a task hears of its own namespace's failure, and of no other's, however alike their ids", async () => {
  kernel.refused = [{ namespace: "task-abcdefgh1", error: "no memory" }];
  const both = [
    outcome(network.attach(task("abcdefgh1", 16))),
    outcome(network.attach(task("abcdefgh2", 17))),
  ];
  expect(await Promise.all(both)).toEqual(["cannot set up the network of task abcdefgh1: no memory", "done"]);
});

test("a task is not said to have its network while the node has not been told of it", async () => {
  network.setFacts(none);
  const first = await network.attach(task("t1")).catch((error: unknown) => error);
  expect(first).toMatchObject({
    kind: "unavailable",
    message: "cannot set up the network of task t1: this node has not been told of network front",
  });
  network.setFacts(facts);
  expect(await outcome(network.attach(task("t1")))).toBe("done");
});

test("an address is free once the kernel has let go of the sandbox, not before", async () => {
  const gateway = new GatewayAddresses("172.18.0.0/27");
  const address = gateway.give("t1");
  await network.attach(task("t1"));
  kernel.refused = [{ namespace: "task-t1", error: "busy" }];
  const detached = outcome(network.detach("t1", () => gateway.release("t1")));
  expect(await detached).toBe("cannot take away the network of task t1: busy");
  const others = Array.from({ length: 14 }, (_, i) => gateway.give(`o${i}`));
  expect(others).not.toContain(address);
  expect(() => gateway.give("one-more")).toThrow("no free address");
  kernel.refused = [];
  await clock.advance(1_000);
  expect(gateway.give("one-more")).toBe(address);
});

test("a sandbox that is wanted again is not let go of", async () => {
  const gone: string[] = [];
  await network.attach(task("t1"));
  const leaving = network.detach("t1", () => gone.push("t1"));
  await Promise.all([leaving, network.attach(task("t1"))]);
  expect(gone).toEqual([]);
  expect(Object.keys(kernel.applied.at(-1)?.namespaces ?? {})).toContain("task-t1");
  await network.detach("t1", () => gone.push("t1"));
  await network.detach("t1", () => gone.push("again"));
  expect(gone).toEqual(["t1", "again"]);
});

test("facts that no network can be made of break nothing: who waits is told, and better ones are applied", async () => {
  const stop = new AbortController();
  const running = applier.run(stop.signal);
  network.setFacts(broken);
  expect(await outcome(network.attach(task("t1")))).toMatch(/CIDR/);
  expect(() => kernel.changed?.()).not.toThrow();
  await clock.advance(20_000);
  network.setFacts(facts);
  expect(await outcome(network.attach(task("t1")))).toBe("done");
  stop.abort();
  await running;
});

test("what fails is tried again once a second, however many changes failed", async () => {
  kernel.refused = [{ namespace: "net-front", error: "no memory" }];
  for (let i = 0; i < 20; i++) {
    network.setFacts({ ...facts });
    await clock.advance(100);
  }
  kernel.applied.length = 0;
  await clock.advance(10_000);
  expect(kernel.applied.length).toBeLessThanOrEqual(10);
  expect(kernel.applied.length).toBeGreaterThanOrEqual(9);
});

test("once closed nothing is applied, so that what is taken away stays away; who waits is told", async () => {
  await network.settle();
  let release = () => {};
  kernel.hold = new Promise((resolve) => {
    release = resolve;
  });
  const held = outcome(network.settle());
  await clock.advance(0);
  const waiting = outcome(network.attach(task("t1")));
  applier.close();
  expect(await waiting).toBe("the agent stops");
  kernel.refused = [{ namespace: "net-front", error: "no memory" }];
  release();
  expect(await held).toBe("done");
  const before = kernel.applied.length;
  network.setFacts({ ...facts });
  expect(await outcome(network.detach("t1"))).toBe("the agent stops");
  await clock.advance(10_000);
  expect(kernel.applied).toHaveLength(before);
});

test("a sandbox is kept while its task's last answers are under way, for some seconds at most", async () => {
  let isDelivered = false;
  kernel.undeliveredIn.set("task-t1", 2);
  void network.delivered("t1").then(() => {
    isDelivered = true;
  });
  await clock.advance(3_000);
  expect(isDelivered).toBe(false);
  kernel.undeliveredIn.delete("task-t1");
  await clock.advance(100);
  expect(isDelivered).toBe(true);
  kernel.undeliveredIn.set("task-t1", 1);
  isDelivered = false;
  void network.delivered("t1").then(() => {
    isDelivered = true;
  });
  await clock.advance(LINGER_MS - 100);
  expect(isDelivered).toBe(false);
  await clock.advance(200);
  expect(isDelivered).toBe(true);
});

const own = (taskId: string, number: number): TaskFact => ({
  ...{ taskId, serviceId: "", addresses: {}, devices: {}, hostPorts: [] },
  gatewayAddress: `172.18.0.${number}`,
});
const lastNames = () => Object.keys(kernel.applied.at(-1)?.namespaces ?? {}).sort();

test("a node that leaves its cluster keeps the sandboxes of containers made by hand, and nothing else", async () => {
  await network.attach(task("t1"));
  await applier.engine.attach(own("c1", 40));
  expect(lastNames()).toEqual(["host", "net-front", "task-c1", "task-t1"]);
  const host = kernel.applied.at(-1)?.namespaces["task-c1"];
  await applier.leave();
  expect(lastNames()).toEqual(["host", "task-c1"]);
  expect(kernel.applied.at(-1)?.namespaces["task-c1"]).toEqual(host);
  expect(await outcome(network.attach(task("t2")))).toBe("the agent stops");
  await applier.engine.detach("c1");
  expect(kernel.applied.at(-1)).toEqual({ namespaces: { host: EMPTY_NAMESPACE } });
});

test("an agent that comes after another takes over what is in force when it has facts, and not before", async () => {
  await network.attach(task("t1"));
  network.close();
  const next = applier.enter(member);
  next.adopt([task("t1"), task("t2", 17)]);
  await applier.engine.attach(own("c1", 40));
  expect(lastNames()).toEqual(["host", "net-front", "task-c1", "task-t1"]);
  const attached = outcome(next.attach(task("t3", 18)));
  next.setFacts(facts);
  expect(await attached).toBe("done");
  expect(lastNames()).toEqual(["host", "net-front", "task-c1", "task-t1", "task-t2", "task-t3"]);
});

test("nothing is applied before everybody has spoken who has something in the kernel from before", async () => {
  for (const waitsFor of [["cluster"], ["engine"], ["cluster", "engine"]] as const) {
    const fresh = new NetworkApplier({
      ...{ kernel, clock, log: silentLog, plan: { tag: "sh" }, waitsFor },
      settings: { gatewaySubnet: GATEWAY },
    });
    kernel.applied.length = 0;
    const attached = fresh.engine.attach(own("c1", 40));
    await clock.advance(60_000);
    if (waitsFor.length === 2) fresh.engineIsIn();
    await clock.advance(1_000);
    expect(kernel.applied).toEqual([]);
    if (waitsFor[0] === "engine") fresh.engineIsIn();
    else fresh.enter(member).setFacts(none);
    await attached;
    expect(lastNames()).toEqual(["host", "task-c1"]);
  }
});
