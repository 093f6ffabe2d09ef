import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import {
  askOverUdp,
  connectTimes,
  listenOnUdp,
  pings,
  sendOverUdp,
  serve,
  sorted,
  type Talk,
  talkOverTcp,
  tally,
} from "../support/traffic.ts";

/** As packets.test.ts, over IPv6: `front` has it, `ingress` has its own, `back` has none. The hosts are 2001:db8::1, 2 and 3. */
const SKETCH: ClusterSketch = { ...TALKERS, dual: true };

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const servers: Talk[] = [];
let unplug = async () => {};
/** As shoald: where the kernel has them. */
let flowTables = false;

const [one, two] = [0, 1];
const task = (id: string, host: number) => hosts[host]!.path(`task-${id}`);
const outside = () => hosts[2]!.path();
const nodes = ["2001:db8::1", "2001:db8::2"];

async function applyAll(sketch: ClusterSketch) {
  for (const [i, kernel] of kernels.entries()) {
    const wanted = planNetwork(factsOf(sketch, i + 1), { tag: "sh", flowTables });
    expect((await kernel.apply(wanted)).failures).toEqual([]);
    expect(await kernel.sweep(wanted)).toEqual([]);
  }
}

beforeAll(async () => {
  for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  for (const [i, host] of hosts.entries())
    await host.run(["ip", "address", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad"]);
  kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
  flowTables = (await kernels[0]!.lackOfFlowTables()) === "";
  await applyAll(SKETCH);
  for (const { id, node } of SKETCH.tasks) servers.push(await serve(task(id, node - 1), id, 80, "::"));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

test("a task reaches tasks of its network, here and on the other node, by ping and TCP, over both families", async () => {
  expect(await pings(task("client11", one), "fd00:1::21")).toBe(true);
  expect(await pings(task("client11", one), "fd00:1::22")).toBe(true);
  expect(await connectTimes(task("client11", one), "fd00:1::21", 80, 1)).toEqual(["vote1111 fd00:1::31"]);
  expect(await connectTimes(task("client11", one), "fd00:1::22", 80, 1)).toEqual(["vote2222 fd00:1::31"]);
  expect(await connectTimes(task("client11", one), "10.0.1.22", 80, 1)).toEqual(["vote2222 10.0.1.31"]);
});

test("an address that nobody has is told to be that", async () => {
  expect(await connectTimes(task("client11", one), "fd00:1::99", 80, 1)).toEqual(["ENETUNREACH"]);
});

test("a VIP spreads connections over all tasks, and they see who calls", async () => {
  const counts = tally(await connectTimes(task("client11", one), "fd00:1::5", 80, 90));
  expect(sorted(Object.keys(counts))).toEqual([
    "vote1111 fd00:1::31",
    "vote2222 fd00:1::31",
    "vote3333 fd00:1::31",
  ]);
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(18);
});

test("a task that draws itself through its service's VIP gets an answer", async () => {
  const counts = tally(await connectTimes(task("vote2222", two), "fd00:1::5", 80, 30));
  const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
  expect(sorted(names)).toEqual(["vote1111", "vote2222", "vote3333"]);
});

test("a VIP without tasks refuses at once", async () => {
  expect(await connectTimes(task("client11", one), "fd00:1::7", 80, 1)).toEqual(["ECONNREFUSED"]);
});

test("a published port answers on every node, and the task sees the outside client's address", async () => {
  for (const address of nodes) {
    const counts = tally(await connectTimes(outside(), address, 8080, 60));
    expect(sorted(Object.keys(counts))).toEqual([
      "vote1111 2001:db8::3",
      "vote2222 2001:db8::3",
      "vote3333 2001:db8::3",
    ]);
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(12);
  }
});

test("a published port answers on the node's own address, and on IPv4 as before", async () => {
  const counts = tally(await connectTimes(hosts[0]!.path(), nodes[0]!, 8080, 12));
  const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
  expect(sorted(names), JSON.stringify(counts)).toEqual(["vote1111", "vote2222", "vote3333"]);
  expect(await connectTimes(outside(), "192.168.7.2", 8080, 1)).toEqual([
    expect.stringMatching(/^vote\d{4} 192\.168\.7\.3$/),
  ]);
});

test("a published port is refused at once at the host's loopback, so that its clients go on to 127.0.0.1", async () => {
  expect(await connectTimes(hosts[0]!.path(), "::1", 8080, 1)).toEqual(["ECONNREFUSED"]);
  expect((await connectTimes(hosts[0]!.path(), "localhost", 8080, 1))[0]).toMatch(/^vote/);
});

test("a published UDP port answers, and the task sees the outside client's address", async () => {
  for (const address of nodes) {
    for (let i = 0; i < 3; i++) {
      const asker = await askOverUdp(outside(), address, 8080);
      expect(await asker.ask("?")).toMatch(/^vote\d{4} 2001:db8::3$/);
      asker.stop();
    }
  }
});

test("a UDP caller of a VIP goes on with another task when its own leaves", async () => {
  const asker = await askOverUdp(task("client11", one), "fd00:1::5", 80);
  const [first = ""] = (await asker.ask("?")).split(" ");
  expect((await asker.ask("?")).split(" ")[0]).toBe(first);
  const tasks = SKETCH.tasks.map((row) => (row.id === first ? { ...row, takes: false } : row));
  await applyAll({ ...SKETCH, tasks });
  const [second = ""] = (await asker.ask("?")).split(" ");
  expect(second).toMatch(/^vote/);
  expect(second).not.toBe(first);
  await applyAll(SKETCH);
  asker.stop();
});

test("a UDP caller of a VIP or port without tasks is served as soon as there is one", async () => {
  const inner = await askOverUdp(task("client11", one), "fd00:1::7", 80);
  const outer = await askOverUdp(outside(), nodes[1]!, 8082);
  expect(await inner.ask("?")).toMatch(/ECONNREFUSED|timeout/);
  expect(await outer.ask("?")).toMatch(/ECONNREFUSED|timeout/);
  const tasks = SKETCH.tasks.map((row) => (row.id === "vote2222" ? { ...row, service: "void" } : row));
  const services = SKETCH.services!.map((row) =>
    row.id === "void"
      ? { ...row, ports: [...row.ports!, { protocol: "udp" as const, published: 8082, target: 80 }] }
      : row,
  );
  await applyAll({ ...SKETCH, tasks, services });
  expect(await inner.ask("?")).toBe("vote2222 fd00:1::31");
  expect(await outer.ask("?")).toBe("vote2222 2001:db8::3");
  await applyAll(SKETCH);
  inner.stop();
  outer.stop();
});

test("nothing of a vanished task is kept", async () => {
  const talk = await talkOverTcp(task("client11", one), "fd00:1::6", 80);
  expect(await talk.ask("one")).toBe("one");
  const tracked = (address: string) =>
    hosts[0]!.run(["conntrack", "-L", "-f", "ipv6", "--reply-src", address], "net-front-network");
  expect(await tracked("fd00:1::32")).toMatch(/ESTABLISHED|\[OFFLOAD\]/);
  await applyAll({ ...SKETCH, tasks: SKETCH.tasks.filter((row) => row.id !== "echo1111") });
  expect(await tracked("fd00:1::32")).not.toContain("fd00:1::32");
  expect(await hosts[0]!.run(["ip", "-6", "route", "show", "fd00:1::32"], "net-front-network")).toBe("");
  talk.stop();
  await applyAll(SKETCH);
  servers.push(await serve(task("echo1111", two), "echo1111", 80, "::"));
});

test("a published port without tasks refuses at once", async () => {
  expect(await connectTimes(outside(), nodes[1]!, 8081, 1)).toEqual(["ECONNREFUSED"]);
});

test("a port in host mode answers on its node only, with the client's address", async () => {
  expect(await connectTimes(outside(), nodes[0]!, 9000, 1)).toEqual(["lonely11 2001:db8::3"]);
  expect(await connectTimes(outside(), nodes[1]!, 9000, 1)).toEqual(["ECONNREFUSED"]);
});

test("tasks do not talk over the ingress network", async () => {
  const answers = await connectTimes(task("vote2222", two), "fd53:686f:616c:2::a00:15", 80, 1, 500);
  expect(answers[0]).not.toContain("vote1111");
});

test("nobody speaks in the name of an address that is not his", async () => {
  const sink = await listenOnUdp(task("vote1111", one), 5000);
  const liar = task("client11", one);
  await hosts[one]!.run(["ip", "address", "add", "fd00:1::99/128", "dev", "lo"], "task-client11");
  await sendOverUdp(liar, "fd00:1::21", 5000, "a lie", "fd00:1::99");
  await sendOverUdp(liar, "fd00:1::21", 5000, "the truth", "fd00:1::31");
  expect(await sink.next()).toBe("the truth");
  await hosts[one]!.run(["ip", "address", "delete", "fd00:1::99/128", "dev", "lo"], "task-client11");
  sink.stop();
});

test("a task gets out, by its node's address", async () => {
  const server = await serve(outside(), "world", 7000, "::");
  expect(await connectTimes(task("client11", one), "2001:db8::3", 7000, 1)).toEqual(["world 2001:db8::1"]);
  server.stop();
});

test("a sandbox has one neighbour per node and per local task, and none that it learned", async () => {
  const text = await hosts[one]!.run(["ip", "-6", "neigh"], "net-front-network");
  const rows = sorted(text.trim().split("\n"));
  expect(rows.map((row) => row?.replace(/ lladdr \S+/, "").trim())).toEqual([
    "fd00:1::21 dev sh-tvote1111 PERMANENT",
    "fd00:1::31 dev sh-tclient11 PERMANENT",
    "fe80::a00:1ca dev sh-v4097 PERMANENT",
  ]);
});

test("a host goes on hearing router advertisements", async () => {
  const path = "/proc/sys/net/ipv6/conf/eth0/accept_ra";
  expect((await hosts[one]!.run(["cat", path])).trim()).toBe("2");
});

test("connections outlive other tasks' coming and going, and a new shoald", async () => {
  const talk = await talkOverTcp(task("client11", one), "fd00:1::6", 80);
  expect(await talk.ask("one")).toBe("one");
  const more: ClusterSketch = {
    ...SKETCH,
    tasks: [...SKETCH.tasks, { id: "echo2222", node: 1, number: 41, networks: ["front"], service: "echo" }],
  };
  await applyAll(more);
  expect(await talk.ask("two")).toBe("two");
  await applyAll(SKETCH);
  kernels.splice(0, 2, hosts[0]!.kernel(), hosts[1]!.kernel());
  await applyAll(SKETCH);
  expect(await talk.ask("three")).toBe("three");
  talk.stop();
});

test("IPv6 that goes leaves IPv4 as it was", async () => {
  await applyAll({ ...SKETCH, dual: false });
  expect(await connectTimes(task("client11", one), "10.0.1.22", 80, 1)).toEqual(["vote2222 10.0.1.31"]);
  for (const pinned of [undefined, "net-front-network", "net-ingress-network", "task-vote1111"]) {
    expect(await hosts[one]!.run(["ip", "-6", "route", "show", "table", "all", "proto", "83"], pinned)).toBe(
      "",
    );
    expect(await hosts[one]!.run(["ip", "-6", "neigh", "show", "nud", "permanent"], pinned)).toBe("");
    expect(await hosts[one]!.run(["nft", "list", "tables", "ip6"], pinned)).toBe("");
  }
  await applyAll(SKETCH);
  expect(await connectTimes(task("client11", one), "fd00:1::22", 80, 1)).toEqual(["vote2222 fd00:1::31"]);
});
