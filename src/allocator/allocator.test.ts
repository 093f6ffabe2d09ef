import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains, parseIpv4, requireCidr } from "../lib/index.ts";
import {
  type Change,
  FIRST_VNI,
  HOST_NETWORK,
  LAST_VNI,
  type Network,
  type PortSpec,
  type Service,
  type Task,
} from "../model/index.ts";
import {
  aCluster,
  aNetwork,
  aNode,
  aRunning,
  aService,
  aTask,
  countingIds,
  T0,
} from "../model/objects.fake.ts";
import { everythingOf, LiveView } from "../store/index.ts";
import { planAllocation } from "./allocator.ts";
import { grantNetwork } from "./subnets.ts";

const decision = { now: T0, newId: countingIds() };

/** A view that the allocator's plans are written to. */
class Land {
  readonly view: LiveView = new LiveView();

  constructor(objects: { networks?: Network[]; services?: Service[]; tasks?: Task[]; nodes?: number } = {}) {
    this.view.put("cluster", aCluster());
    for (const network of objects.networks ?? []) this.view.put("network", network);
    for (const service of objects.services ?? []) this.view.put("service", service);
    for (const task of objects.tasks ?? []) this.view.put("task", task);
    for (let n = 1; n <= (objects.nodes ?? 0); n++) this.view.put("node", aNode(`n${n}`));
  }

  /** Allocates, writes, and proves that there is no more to say. */
  allocate(): readonly Change[] {
    const { changes } = planAllocation(this.view, decision, everythingOf(this.view));
    for (const change of changes) if (change.op === "put") this.view.put(change.kind, change.object as never);
    expect(planAllocation(this.view, decision, everythingOf(this.view)).changes).toEqual([]);
    return changes;
  }

  task(id: string): Task {
    return this.view.get("task", id)!;
  }

  addressOf(id: string): string | undefined {
    return this.task(id).attachments[0]?.address;
  }

  end(id: string): void {
    const task = this.task(id);
    this.view.put("task", { ...task, status: { ...task.status, state: "shutdown" } });
  }
}

const ingress = aNetwork("ingress", { ingress: true, name: "ingress" });
const front = aNetwork("front");
const small = (subnet: string, rest = {}) => aNetwork("small", { ipam: [{ subnet, ...rest }] });

function port(target: number, published = 0, rest: Partial<PortSpec> = {}): PortSpec {
  return { name: "", protocol: "tcp", target, published, publishMode: "ingress", ...rest };
}

function on(name: string, networks: readonly string[], ports: readonly PortSpec[] = []): Service {
  const base = aService(name);
  const task = { ...base.spec.task, networks: networks.map((n) => ({ target: `net-${n}`, aliases: [] })) };
  return aService(name, { task, endpoint: { mode: "vip", ports } });
}

describe("networks", () => {
  test("ingress first, then in order of birth, cut from the pools one after the other, VNIs from 4096", () => {
    const land = new Land({ networks: [{ ...front, createdAt: T0 + 5 }, aNetwork("back"), ingress] });
    land.allocate();
    const states = ["ingress", "back", "front"].map((n) => land.view.get("network", `net-${n}`)?.state);
    expect(states).toEqual([
      { subnet: "10.0.0.0/24", gateway: "10.0.0.1", vni: 4096 },
      { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 },
      { subnet: "10.0.2.0/24", gateway: "10.0.2.1", vni: 4098 },
    ]);
  });

  test("no two subnets ever overlap, and no VNI is given twice", () => {
    const asked = fc.option(fc.record({ third: fc.nat(6), bits: fc.integer({ min: 20, max: 28 }) }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 12 }), (wishes) => {
        const networks = wishes.map((wish, i) =>
          aNetwork(`n${i}`, { ipam: wish ? [{ subnet: `10.0.${wish.third * 16}.0/${wish.bits}` }] : [] }),
        );
        const land = new Land({ networks });
        land.allocate();
        const given = [...land.view.all("network")].flatMap((n) => n.state ?? []);
        for (const [i, a] of given.entries()) {
          for (const b of given.slice(i + 1)) {
            expect(a.vni).not.toBe(b.vni);
            const [ca, cb] = [requireCidr(a.subnet), requireCidr(b.subnet)];
            expect(contains(ca, cb.base) || contains(cb, ca.base)).toBe(false);
          }
          expect(contains(requireCidr(a.subnet), parseIpv4(a.gateway)!)).toBe(true);
        }
        for (const n of land.view.all("network"))
          expect(n.state === undefined).toBe(n.allocationError !== undefined);
      }),
    );
  });

  test("a full pool and an overlap are sentences", () => {
    const view = new LiveView();
    view.put("cluster", aCluster({ addressPools: ["10.0.0.0/23"], subnetSize: 24 }));
    const taken = ["10.0.0.0/24", "10.0.1.0/24"].map((subnet, i) =>
      aNetwork(`t${i}`, {}, { state: { subnet, gateway: "", vni: 4096 + i } }),
    );
    expect(grantNetwork(view, front.spec, taken)).toEqual({
      error: "no free subnet is left in the default address pools",
    });
    expect(grantNetwork(view, small("10.0.1.128/25").spec, taken)).toEqual({
      error: "subnet 10.0.1.128/25 overlaps with network t1",
    });
  });

  test("VNIs begin again at the lowest free one after the last", () => {
    const view = new LiveView();
    view.put("cluster", aCluster());
    const taken = [FIRST_VNI, LAST_VNI].map((vni, i) =>
      aNetwork(`t${i}`, {}, { state: { subnet: `10.9.${i}.0/24`, gateway: "", vni } }),
    );
    expect(grantNetwork(view, front.spec, taken)).toMatchObject({ state: { vni: FIRST_VNI + 1 } });
  });
});

describe("addresses", () => {
  test("go on after the newest, as libnetwork's do: one just released is not given again soon", () => {
    const web = on("web", ["front"]);
    const land = new Land({ networks: [front], services: [web], tasks: [aTask(web, 1)] });
    land.allocate();
    expect(land.view.get("service", web.id)?.endpoint?.vips).toEqual([
      { networkId: "net-front", address: "10.0.0.2" },
    ]);
    expect(land.addressOf("web-1")).toBe("10.0.0.3");
    land.end("web-1");
    land.view.put("task", aTask(web, 1, { id: "web-2", createdAt: T0 + 1 }));
    land.allocate();
    expect(land.addressOf("web-2")).toBe("10.0.0.4");
  });

  test("come from the range that was asked for, never the gateway nor an auxiliary one", () => {
    const web = on("web", ["small"]);
    const network = small("10.7.0.0/24", {
      ipRange: "10.7.0.16/29",
      gateway: "10.7.0.17",
      auxAddresses: { printer: "10.7.0.18" },
    });
    const tasks = [1, 2, 3, 4, 5, 6].map((slot) => aTask(web, slot));
    const land = new Land({ networks: [network], services: [web], tasks });
    land.allocate();
    const vip = land.view.get("service", web.id)?.endpoint?.vips[0]?.address;
    const given = [vip, ...tasks.map((t) => land.addressOf(t.id))];
    expect(given).toEqual([
      "10.7.0.19",
      "10.7.0.20",
      "10.7.0.21",
      "10.7.0.22",
      "10.7.0.23",
      "10.7.0.16",
      undefined,
    ]);
    expect(land.task("web-6").status.error).toBe("cannot allocate task: network small has no free address");
  });

  test("a full network says so once, and gives again when a task has ended", () => {
    const web = on("web", ["small"]);
    const tasks = [1, 2, 3, 4, 5].map((slot) => aTask(web, slot));
    const land = new Land({ networks: [small("10.7.0.0/29")], services: [web], tasks });
    land.allocate();
    expect(tasks.map((t) => land.addressOf(t.id) !== undefined)).toEqual([true, true, true, true, false]);
    expect(land.task("web-5").status).toMatchObject({
      state: "new",
      error: "cannot allocate task: network small has no free address",
    });
    land.end("web-2");
    land.allocate();
    expect(land.addressOf("web-5")).toBe("10.7.0.4");
    expect(land.task("web-5").status).toEqual({
      at: T0,
      state: "pending",
      message: "pending task scheduling",
    });
  });

  test("a task that gets one of two keeps none: another may have it", () => {
    const [web, api] = [on("web", ["front", "small"]), on("api", ["front"])];
    const tasks = [1, 2, 3, 4, 5, 6].map((slot) => aTask(web, slot));
    const land = new Land({
      networks: [front, small("10.7.0.0/29")],
      services: [web, api],
      tasks: [...tasks, aTask(api, 1, { createdAt: T0 + 1 })],
    });
    land.allocate();
    expect(tasks.map((t) => land.task(t.id).attachments.length)).toEqual([2, 2, 2, 2, 0, 0]);
    expect(land.addressOf("api-1")).toBe("10.0.0.8");
  });

  test("a task leaves one for the node it will land on", () => {
    const web = on("web", ["small"]);
    const tasks = [1, 2, 3, 4, 5].map((slot) => aTask(web, slot));
    const land = new Land({ networks: [small("10.7.0.0/29")], services: [web], tasks, nodes: 2 });
    land.allocate();
    const allocated = () => tasks.filter((t) => land.addressOf(t.id) !== undefined);
    expect(allocated()).toHaveLength(2);
    for (const [i, { id }] of allocated().entries()) {
      const task = land.task(id);
      land.view.put("task", { ...task, nodeId: `n${i + 1}`, status: { ...task.status, state: "assigned" } });
    }
    land.allocate();
    for (const node of land.view.all("node")) expect(node.attachments["net-small"]).toBeDefined();
  });

  test("a node has one on ingress always, and on another network while a task of its is there", () => {
    const web = on("web", ["front"]);
    const land = new Land({
      networks: [ingress, front],
      services: [web],
      tasks: [aRunning(web, 1, "n1")],
      nodes: 2,
    });
    const held = { networkId: "net-front", address: "10.0.1.9" };
    land.view.put("task", { ...land.task("web-1"), attachments: [held] });
    land.allocate();
    const networksOf = (id: string) => Object.keys(land.view.get("node", id)?.attachments ?? {});
    expect([networksOf("n1"), networksOf("n2")]).toEqual([["net-ingress", "net-front"], ["net-ingress"]]);
    land.end("web-1");
    land.allocate();
    expect(networksOf("n1")).toEqual(["net-ingress"]);
  });

  test("networks that every node has of its own give none: no VIP, no address, nothing to wait for", () => {
    const base = aService("bare");
    const networks = [{ target: HOST_NETWORK.id, aliases: [] }];
    const bare = { ...base, spec: { ...base.spec, task: { ...base.spec.task, networks } } };
    const land = new Land({
      networks: [ingress, front],
      services: [bare],
      tasks: [aTask(bare, 1, { id: "t" })],
    });
    land.allocate();
    expect(land.view.get("service", bare.id)?.endpoint?.vips).toEqual([]);
    expect(land.task("t")).toMatchObject({ status: { state: "pending" }, attachments: [] });
  });

  test("a task waits, and says why, until its networks and its service are served", () => {
    const web = on("web", ["nowhere"]);
    const land = new Land({ services: [web], tasks: [aTask(web, 1)] });
    land.allocate();
    expect(land.task("web-1").status.error).toBe(
      "cannot allocate task: network net-nowhere is not allocated",
    );
  });
});

describe("published ports", () => {
  const portsOf = (land: Land, id: string) =>
    land.view.get("service", id)?.endpoint?.ports.map((p) => p.published);

  test("are given from 30000 up, per protocol, and kept for the same target", () => {
    const web = on("web", [], [port(80), port(81), port(53, 0, { protocol: "udp" })]);
    const api = { ...on("api", [], [port(80)]), createdAt: T0 + 1 };
    const land = new Land({ networks: [ingress], services: [web, api] });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_000, 30_001, 30_000]);
    expect(portsOf(land, "svc-api")).toEqual([30_002]);
    const now = land.view.get("service", web.id)!;
    land.view.put("service", {
      ...now,
      spec: { ...now.spec, endpoint: { mode: "vip", ports: [port(81), port(82)] } },
    });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_001, 30_003]);
  });

  test("a number that is given out is none that the cluster itself needs", () => {
    const web = on("web", [], [port(80), port(53, 0, { protocol: "udp" })]);
    const land = new Land({ networks: [ingress], services: [web] });
    land.view.put("cluster", aCluster({ dataPathPort: 30_000 }));
    land.view.put("node", aNode("m", { role: "manager", managerAddress: "10.9.0.1:30000" }));
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_001, 30_002]);
  });

  test("a number that is given out is none that the service chose itself, whichever was said first", () => {
    const web = on("web", [], [port(80), port(81, 30_000)]);
    const land = new Land({ networks: [ingress], services: [web] });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_001, 30_000]);
    const now = land.view.get("service", web.id)!;
    const spec = { ...now.spec, endpoint: { mode: "vip" as const, ports: [port(80), port(82, 30_001)] } };
    land.view.put("service", { ...now, spec });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_002, 30_001]);
  });

  test("two dynamic ports for one target are two ports, also after an update", () => {
    const web = on("web", [], [port(80), port(80)]);
    const land = new Land({ networks: [ingress], services: [web] });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_000, 30_001]);
    const now = land.view.get("service", web.id)!;
    const spec = { ...now.spec, endpoint: { mode: "vip" as const, ports: [port(80), port(80), port(90)] } };
    land.view.put("service", { ...now, spec });
    land.allocate();
    expect(portsOf(land, web.id)).toEqual([30_000, 30_001, 30_002]);
  });

  test("one that is taken leaves the service unserved, with the reason", () => {
    const land = new Land({
      networks: [ingress],
      services: [on("a", [], [port(80, 8080)]), on("b", [], [port(80, 8080)])],
    });
    land.allocate();
    expect(land.view.get("service", "svc-b")).toMatchObject({
      allocationError: "port '8080' is already in use by service svc-a",
    });
    expect(land.view.get("service", "svc-b")?.endpoint).toBeUndefined();
    land.view.delete("service", "svc-a");
    land.allocate();
    expect(portsOf(land, "svc-b")).toEqual([8080]);
    expect(land.view.get("service", "svc-b")?.allocationError).toBeUndefined();
  });

  test("of host mode are the node's affair", () => {
    const land = new Land({
      networks: [ingress],
      services: ["a", "b"].map((n) => on(n, [], [port(80, 443, { publishMode: "host" })])),
    });
    land.allocate();
    expect(portsOf(land, "svc-b")).toEqual([443]);
    expect(land.view.get("service", "svc-b")?.endpoint?.vips).toEqual([]);
  });

  test("need the ingress network", () => {
    const web = on("web", [], [port(80)]);
    const land = new Land({ services: [web], tasks: [aTask(web, 1)] });
    land.allocate();
    expect(land.task("web-1").status.error).toBe("cannot allocate task: the ingress network does not exist");
  });
});

test("a service's VIP on ingress is its first, as in Swarm", () => {
  const land = new Land({ networks: [ingress, front], services: [on("web", ["front"], [port(80)])] });
  land.allocate();
  const { vips = [] } = land.view.get("service", "svc-web")?.endpoint ?? {};
  expect(vips.map((vip) => vip.networkId)).toEqual(["net-ingress", "net-front"]);
});

test("services keep their VIPs while networks come and go; dnsrr has none", () => {
  const back = aNetwork("back", {}, { createdAt: T0 + 1 });
  const land = new Land({ networks: [front, back], services: [on("web", ["front"])] });
  land.allocate();
  const vips = () => land.view.get("service", "svc-web")?.endpoint?.vips;
  const first = vips();
  const edit = (next: Service) =>
    land.view.put("service", { ...land.view.get("service", "svc-web")!, spec: next.spec });
  edit(on("web", ["back", "front"]));
  land.allocate();
  expect(vips()).toEqual([{ networkId: "net-back", address: "10.0.1.2" }, ...first!]);
  const base = on("web", ["front"]);
  edit({ ...base, spec: { ...base.spec, endpoint: { mode: "dnsrr", ports: [] } } });
  land.allocate();
  expect(vips()).toEqual([]);
});
