import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { KeyMaster } from "../support/key-master.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { pings, serve, type Talk, talkOverTcp } from "../support/traffic.ts";
import { countWire, type Heard, heardBy } from "../support/wire-counters.ts";

/* Three nodes with the keys that managers give out, over their own code on both sides and the kernel's. */

const NODES = [1, 2, 3] as const;
type Node = (typeof NODES)[number];
const PAIRS = NODES.flatMap((from) => NODES.filter((to) => to !== from).map((to) => [from, to] as const));

const master = new KeyMaster(NODES.length);
const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const servers: Talk[] = [];
let unplug = async () => {};

const hostOf = (node: Node) => hosts[node - 1]!;
const taskOf = (node: Node) => `task-${master.taskOf(node)}`;
const insideOf = (node: Node) => hostOf(node).path(taskOf(node));
const reaches = (from: Node, to: Node) => pings(insideOf(from), `10.0.1.1${to}`);

async function tell(...nodes: readonly Node[]): Promise<void> {
  for (const node of nodes) {
    const { failures } = await kernels[node - 1]!.apply(planNetwork(master.tell(node), { tag: "sh" }));
    expect(failures).toEqual([]);
  }
}

/** What came by all wires. */
async function heard(): Promise<Heard> {
  const all = await Promise.all(hosts.map(heardBy));
  return {
    sealed: all.reduce((sum, { sealed }) => sum + sealed, 0),
    clear: all.reduce((sum, { clear }) => sum + clear, 0),
  };
}

beforeAll(async () => {
  for (const _ of NODES) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  for (const host of hosts) {
    await countWire(host);
    kernels.push(host.kernel());
  }
  for (const kernel of kernels) expect(await kernel.lackOfEncryption()).toBe("");
  await tell(...NODES);
  for (const node of NODES) servers.push(await serve(insideOf(node), `echo-${node}`, 80));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

test("every two talk, and the wires have ESP only", async () => {
  const before = await heard();
  for (const [from, to] of PAIRS) expect(await reaches(from, to)).toBe(true);
  const after = await heard();
  expect(after.sealed - before.sealed).toBeGreaterThanOrEqual(2 * PAIRS.length);
  expect(after.clear).toBe(0);
});

test("epochs go by under load: whoever is told first, no packet is lost and no connection breaks", async () => {
  const talks = await Promise.all(
    PAIRS.map(([from, to]) => talkOverTcp(insideOf(from), `10.0.1.1${to}`, 80)),
  );
  const floods = PAIRS.map(([from, to]) =>
    hostOf(from).run(["ping", "-q", "-i", "0.05", "-c", "300", `10.0.1.1${to}`], taskOf(from)),
  );
  for (let epoch = 0; epoch < 6; epoch++) {
    master.turn();
    // Another is first each time, and the last is told when the first two have long gone on.
    for (let i = 0; i < NODES.length; i++) {
      await tell(NODES[(epoch + i) % NODES.length]!);
      const answers = await Promise.all(talks.map((talk) => talk.ask(`epoch ${epoch} told ${i}`)));
      expect(new Set(answers)).toEqual(new Set([`epoch ${epoch} told ${i}`]));
    }
  }
  for (const flood of floods) expect(await flood).toContain(" 0% packet loss");
  for (const talk of talks) talk.stop();
  expect((await heard()).clear).toBe(0);
});

test("who missed an epoch is still heard; who missed two is not, until it has been told", async () => {
  const lag = async (turns: number) => {
    for (let i = 0; i < turns; i++) master.turn();
    await tell(1, 2);
  };
  await lag(1);
  expect([await reaches(3, 1), await reaches(1, 3), await reaches(1, 2)]).toEqual([true, true, true]);
  await lag(1);
  expect([await reaches(3, 1), await reaches(1, 3), await reaches(1, 2)]).toEqual([false, false, true]);
  await tell(3);
  expect([await reaches(3, 1), await reaches(1, 3)]).toEqual([true, true]);
});

test("keys whose count begins anew are refused by receivers; the node's other name brings others", async () => {
  // So much has been sent that it takes longer than this test to count up to it again.
  await hostOf(1).run(["ping", "-q", "-i", "0.005", "-c", "400", "10.0.1.12"], taskOf(1));
  await hostOf(1).run(["ip", "xfrm", "state", "flush"]);
  const repairs = await kernels[0]!.sweep(planNetwork(master.tell(1), { tag: "sh" }));
  expect(repairs.join("\n")).toContain("put xfrm state src 192.168.7.1 ");
  expect(await reaches(1, 2)).toBe(false);
  master.renew(1);
  await tell(...NODES);
  for (const [from, to] of PAIRS) expect([from, to, await reaches(from, to)]).toEqual([from, to, true]);
  expect((await heard()).clear).toBe(0);
});

test("a node that leaves the network has no keys any more, and the others none with it; it may come again", async () => {
  const statesAt = async (node: Node) =>
    (await hostOf(node).run(["ip", "xfrm", "state"])).match(/reqid/g)?.length ?? 0;
  servers[2]!.stop();
  master.go(3);
  await tell(...NODES);
  expect([await statesAt(1), await statesAt(2), await statesAt(3)]).toEqual([5, 5, 0]);
  expect(await reaches(1, 2)).toBe(true);
  master.come(3);
  await tell(...NODES);
  expect([await statesAt(1), await statesAt(2), await statesAt(3)]).toEqual([10, 10, 10]);
  for (const [from, to] of PAIRS) expect([from, to, await reaches(from, to)]).toEqual([from, to, true]);
});
