import { afterEach, beforeEach, expect, test } from "vitest";
import { BALANCERS, planNetwork } from "../../src/dataplane/index.ts";
import { hasIpvs, type Kernel } from "../../src/kernel/index.ts";
import { explain, printTrace, type Trace } from "../../src/trace/index.ts";
import { describeCrowd } from "../kernel/crowd.contract.ts";
import { describeOnePort } from "../kernel/one-port.contract.ts";
import { describePackets } from "../kernel/packets.contract.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

import { factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import { serve, talkOverTcp } from "../support/traffic.ts";

/** What nftables does in test/kernel/packets.test.ts, IPVS does as well; and what only IPVS has to do. */

describePackets("ipvs", { balancer: BALANCERS.ipvs });
describeCrowd("ipvs", BALANCERS.ipvs);
describeOnePort("ipvs", BALANCERS.ipvs, ["two other nodes"]);

const SANDBOXES = ["net-front-network", "net-ingress-network"] as const;
const wantedBy = (balancer: keyof typeof BALANCERS) =>
  planNetwork(factsOf(TALKERS, 1), { tag: "sh", balancer: BALANCERS[balancer] });

let host: TestHost;
let kernel: Kernel;

beforeEach(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
});

afterEach(async () => {
  await kernel.destroy();
  await host.dispose();
});

const saved = async () =>
  await Promise.all(SANDBOXES.map((sandbox) => host.run(["ipvsadm", "-S", "-n"], sandbox)));

test("IPVS balances, and no rule of nftables does", async () => {
  expect(hasIpvs()).toBe(true);
  expect((await kernel.apply(wantedBy("ipvs"))).failures).toEqual([]);
  const [front = "", ingress = ""] = await saved();
  // 10.0.1.5 by UDP; port 8080 by TCP, at the task's port.
  expect(front).toContain(`-a -f ${0x41000105} -r 10.0.1.21:0 -m -w 1`);
  expect(ingress).toContain(`-a -f ${0x50011f90} -r 10.0.0.22:80 -m -w 1`);
  for (const sandbox of SANDBOXES)
    expect(await host.run(["nft", "list", "table", "ip", "sh-lb"], sandbox)).not.toMatch(/dnat|numgen/);
  // Nothing of it is in the host's own namespace, nor in a task's.
  expect(await host.run(["ipvsadm", "-S", "-n"])).toBe("");
  expect(await host.run(["ipvsadm", "-S", "-n"], "task-client11")).toBe("");
});

test("a trace of the kernel tells what one of the plan tells", async () => {
  const wanted = wantedBy("ipvs");
  await kernel.apply(wanted);
  const about = { facts: factsOf(TALKERS, 1), own: ["192.168.7.1"], listening: new Set<string>() };
  for (const [client, destination] of [
    ["client11", "vote"],
    ["client11", "void"],
    ["192.0.2.50", "192.168.7.1:8080"],
    ["192.0.2.50", "192.168.7.1:8080/udp"],
  ] as const) {
    const trace = explain(await kernel.observe(wanted), about, { client, destination });
    expect(waysOf(trace)).toEqual(waysOf(explain(wanted, about, { client, destination })));
    expect(printTrace(trace).includes("IPVS service"), destination).toBe(destination !== "void");
  }
});

test("what somebody else changed is as it was after a sweep", async () => {
  await kernel.apply(wantedBy("ipvs"));
  const before = await saved();
  const damage = [
    ["-C"],
    ["-D", "-f", String(0x40000105)],
    ["-d", "-f", String(0x40000105), "-r", "10.0.1.21"],
    ["-e", "-f", String(0x40000105), "-r", "10.0.1.21", "-m", "-w", "0"],
    ["-e", "-f", String(0x40000105), "-r", "10.0.1.21", "-g", "-w", "1"],
    ["-a", "-f", String(0x40000105), "-r", "10.0.1.99", "-m", "-w", "1"],
    ["-E", "-f", String(0x40000105), "-s", "lc"],
    ["-A", "-f", "4711", "-s", "rr"],
    ["--set", "10", "10", "10"],
  ] as const;
  for (const words of damage) {
    await host.run(["ipvsadm", ...words], "net-front-network");
    expect(await kernel.sweep(wantedBy("ipvs")), words.join(" ")).not.toEqual([]);
    expect((await saved()).map(sortedLines), words.join(" ")).toEqual(before.map(sortedLines));
    expect(await kernel.sweep(wantedBy("ipvs"))).toEqual([]);
  }
});

test("a network's own scheduler, and nftables on the next node none the wiser", async () => {
  const facts = factsOf(TALKERS, 1);
  const networks = facts.networks.map((row) => (row.name === "front" ? { ...row, scheduler: "sh" } : row));
  const by = (balancer: keyof typeof BALANCERS) =>
    planNetwork({ ...facts, networks }, { tag: "sh", balancer: BALANCERS[balancer] });
  expect((await kernel.apply(by("ipvs"))).failures).toEqual([]);
  expect(await kernel.sweep(by("ipvs"))).toEqual([]);
  const [front = "", ingress = ""] = await saved();
  expect(front).toContain(`-A -f ${0x40000105} -s sh`);
  expect(ingress).not.toContain("-s sh");
  expect(by("nftables")).toEqual(wantedBy("nftables"));
});

test("a task keeps an IPVS of its own", async () => {
  await kernel.apply(wantedBy("ipvs"));
  await host.run(["ipvsadm", "-A", "-f", "7", "-s", "rr"], "task-client11");
  await kernel.sweep(wantedBy("ipvs"));
  expect(await host.run(["ipvsadm", "-S", "-n"], "task-client11")).toContain("-A -f 7 -s rr");
});

test("a shoald that is started with the other balancer changes over, and back", async () => {
  for (const balancer of ["nftables", "ipvs", "nftables"] as const) {
    const successor = host.kernel();
    const wanted = wantedBy(balancer);
    expect((await successor.apply(wanted)).failures).toEqual([]);
    expect(await successor.sweep(wanted)).toEqual([]);
    const rules = await host.run(["nft", "list", "table", "ip", "sh-lb"], "net-front-network");
    expect(/dnat|numgen/.test(rules)).toBe(balancer === "nftables");
    expect((await saved())[0]?.includes("10.0.1.21")).toBe(balancer === "ipvs");
  }
});

test("an open connection outlives the change to IPVS", async () => {
  const tasks = TALKERS.tasks
    .filter(({ id }) => id === "client11" || id === "echo1111")
    .map((row) => ({ ...row, node: 1 }));
  const by = (balancer: keyof typeof BALANCERS) =>
    planNetwork(factsOf({ ...TALKERS, nodes: 1, tasks }, 1), { tag: "sh", balancer: BALANCERS[balancer] });
  await kernel.apply(by("nftables"));
  const server = await serve(host.path("task-echo1111"), "echo", 80);
  const old = await talkOverTcp(host.path("task-client11"), "10.0.1.6", 80);
  expect(await old.ask("one")).toBe("one");
  await kernel.apply(by("ipvs"));
  expect(await old.ask("two")).toBe("two");
  for (const talk of [old, server]) talk.stop();
});

/** The kernel lists destinations in no order that means anything. */
function waysOf({ paths }: Trace): string[] {
  return paths.map((path) => JSON.stringify(path)).sort();
}

function sortedLines(text: string): string[] {
  return text.split("\n").sort();
}
