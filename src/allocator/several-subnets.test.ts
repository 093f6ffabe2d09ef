import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWithin, subnetsOf } from "../lib/index.ts";
import { type IpamConfig, isTerminal, type Network, type Service, type Task } from "../model/index.ts";
import {
  aCluster,
  aGuest,
  aNetwork,
  aNode,
  aRunning,
  aService,
  aTask,
  countingIds,
  T0,
} from "../model/objects.fake.ts";
import { everythingOf, LiveView } from "../store/index.ts";
import { addressUse } from "./address-use.ts";
import { planAllocation } from "./allocator.ts";
import { BOOKS } from "./books.ts";
import { grantGuest } from "./guests.ts";
import { grantNetwork } from "./subnets.ts";

const decision = { now: T0, newId: countingIds() };

function allocate(view: LiveView): void {
  const { changes } = planAllocation(view, decision, everythingOf(view));
  for (const change of changes) if (change.op === "put") view.put(change.kind, change.object as never);
  expect(planAllocation(view, decision, everythingOf(view)).changes).toEqual([]);
}

const wide = (ipam: readonly IpamConfig[], rest = {}): Network => aNetwork("wide", { ipam, ...rest });
const onWide: Service = aService("web", {
  task: { ...aService("web").spec.task, networks: [{ target: "net-wide", aliases: [] }] },
});

function viewOf(network: Network, tasks: readonly Task[] = []): LiveView {
  const view = new LiveView();
  view.put("cluster", aCluster());
  view.put("network", network);
  view.put("service", onWide);
  for (const task of tasks) view.put("task", task);
  return view;
}

const slots = (count: number) => Array.from({ length: count }, (_, i) => aTask(onWide, i + 1));
const placeOf = (view: LiveView, id: string) => view.get("task", id)?.attachments[0];

function end(view: LiveView, id: string): void {
  const task = view.get("task", id);
  if (task !== undefined) view.put("task", { ...task, status: { ...task.status, state: "shutdown" } });
}

describe("a network of several subnets", () => {
  test("has a gateway and a range in each, and one VNI", () => {
    const ipam = [
      { subnet: "10.1.0.0/24", gateway: "10.1.0.9" },
      { subnet: "fd00:1::/64" },
      { subnet: "10.2.0.0/24", ipRange: "10.2.0.128/25" },
      { subnet: "fd00:2::/64", gateway: "fd00:2::0:9" },
    ];
    expect(grantNetwork(viewOf(wide([])), wide(ipam, { ipv6: true }).spec, [])).toEqual({
      state: {
        ...{ subnet: "10.1.0.0/24", gateway: "10.1.0.9", vni: 4096 },
        more: [{ subnet: "10.2.0.0/24", gateway: "10.2.0.1", ipRange: "10.2.0.128/25" }],
        v6: {
          ...{ subnet: "fd00:1::/64", gateway: "fd00:1::1" },
          more: [{ subnet: "fd00:2::/64", gateway: "fd00:2::9" }],
        },
      },
    });
  });

  test("gets each from the pools when it asks for none by name", () => {
    expect(grantNetwork(viewOf(wide([])), wide([{}, {}]).spec, [])).toMatchObject({
      state: { subnet: "10.0.0.0/24", more: [{ subnet: "10.0.1.0/24" }] },
    });
  });

  test("keeps every one of them from others, and from itself", () => {
    const view = viewOf(wide([{ subnet: "10.1.0.0/24" }, { subnet: "10.2.0.0/24" }]));
    allocate(view);
    const taken = [...view.all("network")];
    const ask = (...ipam: IpamConfig[]) => grantNetwork(view, aNetwork("other", { ipam }).spec, taken);
    expect(ask({ subnet: "10.2.0.128/25" })).toEqual({
      error: "subnet 10.2.0.128/25 overlaps with network wide",
    });
    expect(ask({ subnet: "10.3.0.0/24" }, { subnet: "10.1.0.0/16" })).toEqual({
      error: "subnet 10.1.0.0/16 overlaps with network wide",
    });
    expect(ask({ subnet: "10.3.0.0/24" }, { subnet: "10.3.0.0/25" })).toEqual({
      error: "subnet 10.3.0.0/25 overlaps with network other",
    });
  });

  test("fills them in order, says that it is full when all are, and gives again of the first", () => {
    const aux = { auxAddresses: { printer: "10.2.0.2" } };
    const view = viewOf(wide([{ subnet: "10.1.0.0/29" }, { subnet: "10.2.0.0/29", ...aux }]), slots(10));
    allocate(view);
    const vip = view.get("service", onWide.id)?.endpoint?.vips[0]?.address;
    const given = slots(10).map(({ id }) => placeOf(view, id)?.address);
    expect([vip, ...given.slice(0, 4)]).toEqual(["2", "3", "4", "5", "6"].map((n) => `10.1.0.${n}`));
    expect(given.slice(4)).toEqual([...["3", "4", "5", "6"].map((n) => `10.2.0.${n}`), undefined, undefined]);
    expect(view.get("task", "web-9")?.status.error).toBe(
      "cannot allocate task: network wide has no free address",
    );
    expect(view.get("network", "net-wide")?.state).toMatchObject({
      ...{ cursor: "10.1.0.6", more: [{ cursor: "10.2.0.6" }] },
    });
    end(view, "web-2");
    end(view, "web-6");
    allocate(view);
    expect([placeOf(view, "web-9")?.address, placeOf(view, "web-10")?.address]).toEqual([
      "10.1.0.4",
      "10.2.0.4",
    ]);
  });

  test("leaves an address for the node of a task, in whichever subnet", () => {
    const view = viewOf(wide([{ subnet: "10.1.0.0/29" }, { subnet: "10.2.0.0/29" }]), slots(12));
    for (const id of ["n1", "n2"]) view.put("node", aNode(id));
    allocate(view);
    const placed = slots(12).filter(({ id }) => placeOf(view, id) !== undefined);
    expect(placed).toHaveLength(7);
    for (const [i, { id }] of placed.entries()) {
      const task = view.get("task", id);
      if (task === undefined) continue;
      view.put("task", { ...task, nodeId: `n${(i % 2) + 1}`, status: { ...task.status, state: "assigned" } });
    }
    allocate(view);
    for (const { attachments } of view.all("node")) expect(attachments["net-wide"]).toMatch(/^10\.2\.0\./);
  });

  test("gives a guest the address that it asks for, of any of them, beside a range too", () => {
    const ipam = [{ subnet: "10.1.0.0/24" }, { subnet: "10.2.0.0/24", ipRange: "10.2.0.128/25" }];
    const view = viewOf(wide(ipam));
    allocate(view);
    const ask = (address: string) =>
      grantGuest(view, { nodeId: "n1", attachments: [], wanted: [{ target: "net-wide", address }] });
    expect(ask("10.2.0.7")).toMatchObject({ attachments: [{ address: "10.2.0.7" }] });
    expect(ask("10.1.0.7")).toMatchObject({ attachments: [{ address: "10.1.0.7" }] });
    expect(ask("10.3.0.7")).toMatchObject({ kind: "invalid" });
    expect(ask("10.2.0.1")).toMatchObject({ kind: "invalid" });
  });

  test("tells of each how full it is", () => {
    const ipam = [
      { subnet: "10.1.0.0/29" },
      { subnet: "10.2.0.0/24", ipRange: "10.2.0.128/30" },
      { subnet: "fd00:1::/125" },
      { subnet: "fd00:2::/125" },
    ];
    const view = viewOf(wide(ipam, { ipv6: true }), slots(6));
    view.put("guest", aGuest("a", "n1", { "net-wide": "10.2.0.7" }));
    allocate(view);
    const network = view.get("network", "net-wide");
    expect(network && addressUse(view, network)).toEqual([
      { subnet: "10.1.0.0/29", inUse: 8, free: 0 },
      { subnet: "10.2.0.0/24", inUse: 6, free: 2 },
      { subnet: "fd00:1::/125", inUse: 8, free: 0 },
      { subnet: "fd00:2::/125", inUse: 3, free: 5 },
    ]);
  });

  test("never gives one address twice, nor one of none of its subnets, and counts what is held", () => {
    const step = fc.record({ slot: fc.nat(11), node: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ipam = ["10.1.0.0/29", "10.2.0.0/29", "fd00:1::/125", "fd00:2::/124"].map((subnet) => ({
          subnet,
        }));
        const view = viewOf(wide(ipam, { ipv6: true }));
        for (const id of ["n0", "n1", "n2"]) view.put("node", aNode(id));
        for (const [i, { slot, node }] of steps.entries()) {
          const id = `web-${slot}-${i % 2}`;
          const old = view.get("task", id);
          if (old !== undefined && !isTerminal(old)) end(view, id);
          else view.put("task", { ...aTask(onWide, slot, { id, createdAt: T0 + i }), nodeId: `n${node}` });
          allocate(view);
          const network = view.get("network", "net-wide");
          if (network?.state === undefined) throw new Error("it is not allocated");
          const living = [...view.all("task")].filter((task) => !isTerminal(task));
          const places = [
            ...living.flatMap(({ attachments }) => attachments),
            ...(view.get("service", onWide.id)?.endpoint?.vips ?? []),
          ];
          const nodes = [...view.all("node")].flatMap(({ attachments }) => attachments["net-wide"] ?? []);
          const held = [...places.map(({ address }) => address), ...nodes];
          const held6 = places.flatMap(({ address6 }) => address6 ?? []);
          const all = [...subnetsOf(network.state), ...subnetsOf(network.state.v6 ?? network.state)];
          for (const given of [held, held6]) {
            expect(new Set(given).size).toBe(given.length);
            for (const address of given)
              expect(
                all.some(({ subnet, gateway }) => isWithin(address, subnet) && gateway !== address),
              ).toBe(true);
          }
          const books = view.derive(BOOKS);
          expect(books.used("net-wide", 4) + books.used("net-wide", 6)).toBe(held.length + held6.length);
          const told = addressUse(view, network).reduce((sum, { inUse }) => sum + inUse, 0);
          // The ends and the gateway of two subnets; of IPv6 the first address and the gateway.
          expect(told).toBe(held.length + held6.length + 10);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("on a node is told to be full by its tasks there, too", () => {
    const view = viewOf(wide([{ subnet: "10.1.0.0/29" }]), []);
    view.put("node", aNode("n1"));
    view.put(
      "task",
      aRunning(onWide, 1, "n1", { attachments: [{ networkId: "net-wide", address: "10.1.0.5" }] }),
    );
    allocate(view);
    const network = view.get("network", "net-wide");
    expect(network && addressUse(view, network)).toEqual([{ subnet: "10.1.0.0/29", inUse: 6, free: 2 }]);
  });
});
