import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains6, formatCidr6, overlaps6, parseIpv6, requireCidr6 } from "../lib/index.ts";
import { isTerminal, type Network, type Service, type Task } from "../model/index.ts";
import { aCluster, aNetwork, aService, aTask, countingIds, T0 } from "../model/objects.fake.ts";
import { everythingOf, LiveView } from "../store/index.ts";
import { planAllocation } from "./allocator.ts";
import { AddressRange6 } from "./range6.ts";
import { grantNetwork } from "./subnets.ts";
import { localPool } from "./subnets6.ts";

const decision = { now: T0, newId: countingIds() };

function allocate(view: LiveView): void {
  const { changes } = planAllocation(view, decision, everythingOf(view));
  for (const change of changes) if (change.op === "put") view.put(change.kind, change.object as never);
  expect(planAllocation(view, decision, everythingOf(view)).changes).toEqual([]);
}

function viewOf(
  networks: readonly Network[],
  services: readonly Service[] = [],
  tasks: readonly Task[] = [],
) {
  const view = new LiveView();
  view.put("cluster", aCluster());
  for (const network of networks) view.put("network", network);
  for (const service of services) view.put("service", service);
  for (const task of tasks) view.put("task", task);
  return view;
}

function on(name: string, network: string): Service {
  const base = aService(name);
  return aService(name, {
    task: { ...base.spec.task, networks: [{ target: `net-${network}`, aliases: [] }] },
  });
}

const dual = (name: string, subnet?: string, rest = {}) =>
  aNetwork(name, { ipv6: true, ipam: subnet === undefined ? [] : [{ subnet, ...rest }] });

describe("networks with IPv6", () => {
  test("have both families: what was asked for, or one of the cluster's own", () => {
    const view = viewOf([dual("asked", "FD00:1::7/64"), aNetwork("plain"), dual("own")]);
    allocate(view);
    const own = localPool(aCluster().id);
    const states = ["asked", "plain", "own"].map((n) => view.get("network", `net-${n}`)?.state);
    expect(states.map((state) => state?.v6?.subnet)).toEqual([
      "fd00:1::/64",
      undefined,
      formatCidr6({ base: own.base, bits: 64 }),
    ]);
    expect(states.every((state) => state?.subnet.startsWith("10.0."))).toBe(true);
    expect(states[0]?.v6?.gateway).toBe("fd00:1::1");
  });

  test("the cluster's own block is local, and another cluster's is another", () => {
    const local = requireCidr6("fd00::/8");
    const id = fc.stringMatching(/^[0-9a-z]{25}$/);
    fc.assert(
      fc.property(id, (text) => contains6(local, localPool(text).base) && localPool(text).bits === 48),
    );
    expect(localPool("abcdefghijklmnopqrstuvwxy")).not.toEqual(localPool("abcdefghijklmnopqrstuvwxz"));
  });

  test("no two subnets overlap, and who is refused is told whose it is", () => {
    const { base } = localPool(aCluster().id);
    const wish = fc.option(fc.record({ third: fc.nat(3), bits: fc.integer({ min: 62, max: 72 }) }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 10 }), (wishes) => {
        const subnetOf = ({ third, bits }: { third: number; bits: number }) =>
          formatCidr6({ base: base + (BigInt(third) << 64n), bits }).replace(/::\/(\d+)$/, "::/$1");
        const networks = wishes.map((w, i) => dual(`n${i}`, w && subnetOf(w)));
        const view = viewOf(networks);
        allocate(view);
        const all = [...view.all("network")];
        const given = all.flatMap((n) =>
          n.state?.v6 === undefined ? [] : [requireCidr6(n.state.v6.subnet)],
        );
        for (const [i, a] of given.entries())
          for (const b of given.slice(i + 1)) expect(overlaps6(a, b)).toBe(false);
        for (const n of all)
          if (n.state === undefined) expect(n.allocationError).toMatch(/ overlaps with network n\d$/);
      }),
    );
  });

  test("a refusal of one family is a refusal of the network", () => {
    const taken = aNetwork(
      "t",
      {},
      {
        state: { subnet: "10.9.0.0/24", gateway: "", vni: 4096, v6: { subnet: "fd00:1::/64", gateway: "" } },
      },
    );
    expect(grantNetwork(viewOf([]), dual("n", "fd00:1:0:0:8000::/65").spec, [taken])).toEqual({
      error: "subnet fd00:1:0:0:8000::/65 overlaps with network t",
    });
  });
});

describe("IPv6 addresses", () => {
  test("are given beside those of IPv4, to VIPs and tasks, and go on after the newest", () => {
    const web = on("web", "dual");
    const view = viewOf([dual("dual", "fd00:1::/64")], [web], [aTask(web, 1)]);
    allocate(view);
    expect(view.get("service", web.id)?.endpoint?.vips).toEqual([
      { networkId: "net-dual", address: "10.0.0.2", address6: "fd00:1::2" },
    ]);
    const first = view.get("task", "web-1");
    expect(first?.attachments).toEqual([
      { networkId: "net-dual", address: "10.0.0.3", address6: "fd00:1::3" },
    ]);
    if (first !== undefined) view.put("task", { ...first, status: { ...first.status, state: "failed" } });
    view.put("task", aTask(web, 1, { id: "web-2", createdAt: T0 + 1 }));
    allocate(view);
    expect(view.get("task", "web-2")?.attachments[0]?.address6).toBe("fd00:1::4");
    expect(view.get("network", "net-dual")?.state).toMatchObject({
      cursor: "10.0.0.4",
      v6: { cursor: "fd00:1::4" },
    });
  });

  test("that run out are told of, and are given again once free", () => {
    const web = on("web", "dual");
    const tasks = [1, 2, 3, 4, 5, 6, 7].map((slot) => aTask(web, slot));
    const rest = { gateway: "fd00:1::3", auxAddresses: { printer: "fd00:1::4" } };
    const view = viewOf([dual("dual", "fd00:1::/125", rest)], [web], tasks);
    allocate(view);
    const addressOf = (id: string) => view.get("task", id)?.attachments[0]?.address6;
    const given = tasks.map(({ id }) => addressOf(id));
    expect(given).toEqual([
      "fd00:1::2",
      "fd00:1::5",
      "fd00:1::6",
      "fd00:1::7",
      undefined,
      undefined,
      undefined,
    ]);
    expect(view.get("task", "web-5")?.status.error).toBe(
      "cannot allocate task: network dual has no free IPv6 address",
    );
    const gone = view.get("task", "web-2");
    if (gone !== undefined) view.put("task", { ...gone, status: { ...gone.status, state: "shutdown" } });
    allocate(view);
    expect(addressOf("web-5")).toBe("fd00:1::5");
  });

  test("are never given twice, whoever comes and goes", () => {
    const web = on("web", "dual");
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 25 }), (steps) => {
        const view = viewOf([dual("dual", "fd00:1::/124")], [web]);
        for (const [i, slot] of steps.entries()) {
          const old = view.get("task", `web-${slot}-${i % 2}`);
          if (old !== undefined) view.put("task", { ...old, status: { ...old.status, state: "shutdown" } });
          else view.put("task", aTask(web, slot, { id: `web-${slot}-${i % 2}`, createdAt: T0 + i }));
          allocate(view);
          const living = [...view.all("task")].filter((task) => !isTerminal(task));
          const held = [
            ...living.flatMap(({ attachments }) => attachments),
            ...(view.get("service", web.id)?.endpoint?.vips ?? []),
          ].flatMap(({ address6 }) => address6 ?? []);
          expect(new Set(held).size).toBe(held.length);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("a range gives each of its addresses once a round, but those that are reserved", () => {
    const state = { subnet: "fd00:1::/64", gateway: "fd00:1::9", ipRange: "fd00:1::8/125" };
    const range = new AddressRange6(state, { auxAddresses: { a: "fd00:1::c" } });
    expect(range.size).toBe(6);
    const given = new Set<string>();
    for (let at: string | undefined = "fd00:1::d"; at !== undefined && !given.has(at); ) {
      given.add(at);
      at = range.next(at, () => false);
    }
    expect([...given].map((text) => Number((parseIpv6(text) ?? 0n) & 0xffn))).toEqual([
      13, 14, 15, 8, 10, 11,
    ]);
    expect(range.next(undefined, () => true)).toBeUndefined();
  });
});
