import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import { askOverUdp, serve, type Talk } from "../support/traffic.ts";

/** What callers begin while rules are missing, and do not give up, gets through once these are back. Who takes traffic is on node 2. */
const tasks = TALKERS.tasks.map((row) => (row.id === "vote1111" ? { ...row, takes: false } : row));
const SKETCH = { ...TALKERS, tasks };

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const servers: Talk[] = [];
let unplug = async () => {};

const WANTED = [1, 2].map((node) => planNetwork(factsOf(SKETCH, node), { tag: "sh" }));

async function heal() {
  const repairs: string[] = [];
  for (const [i, kernel] of kernels.entries()) repairs.push(...(await kernel.sweep(WANTED[i]!)));
  expect(repairs).not.toEqual([]);
}

beforeAll(async () => {
  for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
  for (const [i, kernel] of kernels.entries()) expect((await kernel.apply(WANTED[i]!)).failures).toEqual([]);
  for (const id of ["vote2222", "vote3333"]) servers.push(await serve(hosts[1]!.path(`task-${id}`), id, 80));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

const [ONE, TWO] = [0, 1];
const INGRESS = "net-ingress-network";
const flush = "flush ruleset";
const without = (table: string) => `delete table ip sh-${table}`;

/** What is done, on which host and in which of its namespaces; who calls whom meanwhile. */
const DAMAGES = [
  ["the host's rules are gone", without("host"), ONE, undefined, "outside", "192.168.7.1"],
  ["all of the host's rules are gone", flush, ONE, undefined, "outside", "192.168.7.1"],
  [
    "the host does not translate its loopback",
    "flush chain ip sh-host postrouting",
    ONE,
    undefined,
    "host",
    "127.0.0.1",
  ],
  ["nothing balances published ports", without("lb"), ONE, INGRESS, "outside", "192.168.7.1"],
  ["nobody marks what came by another node", without("mesh"), TWO, INGRESS, "outside", "192.168.7.1"],
  ["no node is known by its mark", "flush map ip sh-mesh entries", TWO, INGRESS, "outside", "192.168.7.1"],
  ["nothing balances VIPs", without("lb"), ONE, "net-front-network", "task", "10.0.1.5"],
] as const;

test("a new shoald over rules that stand forgets nothing: callers who have just begun stay with their tasks", async () => {
  const askers = await Promise.all([1, 2].map(() => askOverUdp(hosts[2]!.path(), "192.168.7.1", 8080)));
  const first: string[] = [];
  for (const asker of askers) first.push(await asker.ask("?"));
  expect(new Set(first).size).toBe(2);
  for (const [i, host] of [hosts[ONE]!, hosts[TWO]!].entries()) {
    kernels[i] = host.kernel();
    expect((await kernels[i]!.apply(WANTED[i]!)).failures).toEqual([]);
  }
  // In the other order, as rules made anew draw from the beginning.
  for (const [i, asker] of [...askers.entries()].reverse()) expect(await asker.ask("?")).toBe(first[i]);
  for (const asker of askers) asker.stop();
});

test.each(DAMAGES)("%s", async (_, command, host, place, caller, address) => {
  const from = {
    outside: hosts[2]!.path(),
    host: hosts[ONE]!.path(),
    task: hosts[ONE]!.path("task-client11"),
  };
  const port = caller === "task" ? 80 : 8080;
  await hosts[host]!.run(["nft", command], place);
  const asker = await askOverUdp(from[caller], address, port);
  expect(await asker.ask("?")).toMatch(/ECONNREFUSED|timeout/);
  await heal();
  expect(await asker.ask("?")).toMatch(/^vote(2222|3333) /);
  asker.stop();
});
