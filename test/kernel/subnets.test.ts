import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import { askOverUdp, connectTimes, pings, serve, sorted, type Talk, tally } from "../support/traffic.ts";

/**
 * As packets.test.ts and ipv6.test.ts, on networks of several subnets in both families: VIPs, `vote1111`, the other two, who calls
 * them, and the nodes are each in another one. The hosts are 192.168.7.1, 2 and 3, the third is the world outside.
 */
const NUMBERS: Readonly<Record<number, number>> = { 21: 21, 22: 42, 23: 43, 31: 81, 32: 82, 33: 83 };
const tasks = TALKERS.tasks.map((row) => ({ ...row, number: NUMBERS[row.number] ?? row.number }));
const SKETCH = { ...TALKERS, tasks, dual: true, split: true };

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const servers: Talk[] = [];
let unplug = async () => {};

const task = (id: string, host: 1 | 2) => hosts[host - 1]!.path(`task-${id}`);
const outside = () => hosts[2]!.path();
const VOTES = ["vote1111", "vote2222", "vote3333"];

beforeAll(async () => {
  for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  for (const [i, host] of hosts.entries())
    await host.run(["ip", "address", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad"]);
  kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
  for (const [i, kernel] of kernels.entries()) {
    const wanted = planNetwork(factsOf(SKETCH, i + 1), { tag: "sh" });
    expect((await kernel.apply(wanted)).failures).toEqual([]);
    expect(await kernel.sweep(wanted)).toEqual([]);
  }
  for (const { id, node } of SKETCH.tasks)
    servers.push(await serve(task(id, node === 1 ? 1 : 2), id, 80, "::"));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

test("what was applied stays as it is: a second look finds nothing to do", async () => {
  for (const [i, kernel] of kernels.entries()) {
    const wanted = planNetwork(factsOf(SKETCH, i + 1), { tag: "sh" });
    expect(await kernel.apply(wanted)).toMatchObject({ failures: [], changes: 0 });
  }
});

test("tasks reach each other across subnets, here and on the other node, and see who calls", async () => {
  for (const [there, name] of [
    ["21", "vote1111"],
    ["42", "vote2222"],
    ["43", "vote3333"],
  ]) {
    for (const [from, prefix] of [
      ["10.0.1.81", "10.0.1."],
      ["fd00:1::81", "fd00:1::"],
    ]) {
      const address = `${prefix}${there}`;
      expect(await pings(task("client11", 1), address), address).toBe(true);
      expect(await connectTimes(task("client11", 1), address, 80, 1)).toEqual([`${name} ${from}`]);
    }
  }
});

test("a task has a route to each other subnet, by the gateway of its own, and every gateway answers", async () => {
  const routes = await hosts[0]!.run(["nsenter", `--net=${task("client11", 1)}`, "ip", "route"]);
  for (const other of ["10.0.1.0/28", "10.0.1.16/28", "10.0.1.32/27", "10.0.1.192/26"])
    expect(routes).toMatch(new RegExp(`${other.replaceAll(".", "\\.")} via 10\\.0\\.1\\.65 dev eth0`));
  for (const gateway of ["10.0.1.1", "10.0.1.65", "10.0.1.193"])
    expect(await pings(task("client11", 1), gateway), gateway).toBe(true);
});

test("a VIP of another subnet spreads over tasks of all, also to the one that calls", async () => {
  for (const vip of ["10.0.1.5", "fd00:1::5"]) {
    for (const caller of [task("client11", 1), task("vote2222", 2)]) {
      const counts = tally(await connectTimes(caller, vip, 80, 60));
      const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
      expect(sorted(names), JSON.stringify(counts)).toEqual(VOTES);
    }
  }
  expect(await connectTimes(task("client11", 1), "10.0.1.7", 80, 1)).toEqual(["ECONNREFUSED"]);
});

test("a published port answers on every node over TCP and UDP, and tasks see the client's address", async () => {
  for (const [address, client] of [
    ["192.168.7.1", "192.168.7.3"],
    ["192.168.7.2", "192.168.7.3"],
    ["2001:db8::1", "2001:db8::3"],
  ] as const) {
    const counts = tally(await connectTimes(outside(), address, 8080, 30));
    expect(sorted(Object.keys(counts))).toEqual(VOTES.map((name) => `${name} ${client}`));
    const asker = await askOverUdp(outside(), address, 8080);
    expect(await asker.ask("?")).toMatch(/^vote\d{4} /);
    asker.stop();
  }
});

test("no task reaches another network, whatever its subnets", async () => {
  const [answer] = await connectTimes(task("client11", 1), "10.0.2.83", 80, 1, 500);
  expect(answer).not.toContain("lonely11");
});
