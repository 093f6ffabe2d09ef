import { afterEach, beforeEach, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { votes } from "../support/sketches.ts";

/** Somebody breaks what is ours: it is back within a second, as DESIGN promises. */

const SKETCH = votes(6);
const WANTED = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });

let host: TestHost;
let kernel: Kernel;
let stop: AbortController;
let told: number;

beforeEach(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
  stop = new AbortController();
  told = 0;
  await kernel.apply(WANTED);
  kernel.watch(stop.signal, () => {
    told++;
    void kernel.sweep(WANTED);
  });
});

afterEach(async () => {
  stop.abort();
  await kernel.destroy();
  await host.dispose();
});

/** The promise is a second; looking takes some more on a busy machine. */
const within = { timeout: 2000, interval: 10 };

/** Breaks something, and waits until a fresh pair of eyes finds nothing to repair but the tables, which it cannot know. */
async function healed(argv: readonly [string, ...string[]], pinned?: string, looks?: () => Promise<boolean>) {
  await host.run(argv, pinned);
  if (looks !== undefined) await expect.poll(looks, within).toBe(true);
  await expect.poll(() => kernel.sweep(WANTED), within).toEqual([]);
}

test("all rules flushed, in the host's namespace and in a sandbox", async () => {
  const has = (name: string, pinned?: string) => async () =>
    (await host.run(["nft", "list", "ruleset"], pinned)).includes(`table ip ${name}`);
  const start = performance.now();
  await healed(["nft", "flush", "ruleset"], undefined, has("sh-host"));
  expect(performance.now() - start).toBeLessThan(1000);
  await healed(["nft", "flush", "ruleset"], "net-front-network", has("sh-lb", "net-front-network"));
  expect(told).toBeGreaterThanOrEqual(2);
});

test("a change of ours does not take others' damage for its own work", async () => {
  stop.abort();
  const list = async () =>
    await host.run(["nft", "list", "chain", "ip", "sh-lb", "prerouting"], "net-front-network");
  const before = await list();
  await host.run(["nft", "flush", "chain", "ip", "sh-lb", "prerouting"], "net-front-network");
  const fewer = planNetwork(factsOf({ ...SKETCH, tasks: SKETCH.tasks.slice(1) }, 1), { tag: "sh" });
  expect((await kernel.apply(fewer)).failures).toEqual([]);
  expect(await list()).toBe(before);
  expect(await kernel.sweep(fewer)).toEqual([]);
  await host.run(["nft", "flush", "chain", "ip", "sh-lb", "prerouting"], "net-front-network");
  expect(await kernel.sweep(fewer)).toEqual(["net-front-network: put table ip sh-lb"]);
  expect(await list()).toBe(before);
});

test("one element, one rule, one chain", async () => {
  const list = async () => await host.run(["nft", "list", "table", "ip", "sh-lb"], "net-front-network");
  const before = await list();
  const commands = [
    "delete element ip sh-lb vips { 10.0.1.5 }",
    "flush chain ip sh-lb prerouting",
    "add element ip sh-lb self { 10.9.9.9 . 10.9.9.9 }",
  ];
  for (const command of commands) {
    await healed(["nft", command], "net-front-network", async () => (await list()) === before);
  }
});

test("a link set down or deleted; its MTU, its address, its neighbours", async () => {
  const leg = "sh-tvote0000";
  const show = async () => await host.run(["ip", "-br", "link"], "net-front-network");
  await healed(["ip", "link", "set", leg, "down"], "net-front-network", async () =>
    /sh-tvote0000\S* +UP/.test(await show()),
  );
  await healed(["ip", "link", "set", leg, "mtu", "1280"], "net-front-network", async () =>
    (await host.run(["ip", "link", "show", leg], "net-front-network")).includes("mtu 1450"),
  );
  await healed(["ip", "link", "delete", leg], "net-front-network", async () => (await show()).includes(leg));
  await healed(["ip", "neigh", "flush", "nud", "permanent", "dev", leg], "net-front-network", async () =>
    (await host.run(["ip", "neigh", "show", "dev", leg], "net-front-network")).includes("10.0.1.21"),
  );
  await healed(["ip", "address", "delete", "10.0.1.5/32", "dev", "lo"], "net-front-network", async () =>
    (await host.run(["ip", "address", "show", "dev", "lo"], "net-front-network")).includes("10.0.1.5/32"),
  );
  await healed(["ip", "link", "delete", "sh-br"], undefined, async () =>
    (await host.run(["ip", "-br", "address"])).includes("172.18.0.1/16"),
  );
});

test("a route replaced by another, a rule deleted, forwarding entries deleted", async () => {
  const routes = async () => await host.run(["ip", "route"], "net-front-network");
  const before = await routes();
  await healed(
    ["ip", "route", "replace", "blackhole", "10.0.1.22/32"],
    "net-front-network",
    async () => (await routes()) === before,
  );
  await healed(["ip", "rule", "flush"], "net-ingress-network", async () =>
    (await host.run(["ip", "rule"], "net-ingress-network")).includes("fwmark"),
  );
  const vxlan = "sh-v4097";
  const fdb = async () => await host.run(["bridge", "fdb", "show", "dev", vxlan], "net-front-network");
  const [mac = ""] = (await fdb()).split(" ");
  await healed(
    ["bridge", "fdb", "delete", mac, "dev", vxlan, "dst", "192.168.7.2"],
    "net-front-network",
    async () => (await fdb()).includes(mac),
  );
});

test("our own work, and others' that is not our business, is no news", async () => {
  const busy: ClusterSketch = {
    ...SKETCH,
    tasks: [
      ...SKETCH.tasks,
      { id: "extra111", node: 1, number: 51, networks: ["front"], service: "vote" },
      { id: "extra222", node: 2, number: 52, networks: ["front"], service: "vote" },
    ],
  };
  for (let i = 0; i < 5; i++) {
    await kernel.apply(planNetwork(factsOf(busy, 1), { tag: "sh" }));
    await kernel.apply(WANTED);
  }
  await host.run(["ip", "link", "add", "noise", "type", "veth", "peer", "name", "noise2"]);
  await host.run(["ip", "link", "set", "noise", "up"]);
  await host.run(["ip", "address", "add", "10.9.0.1/24", "dev", "noise"]);
  await host.run(["nft", "add table ip noise"]);
  // What comes last is heard last: when it has been told, nothing before it was.
  await host.run(["nft", "delete table ip sh-host"]);
  await expect.poll(() => told, within).toBe(1);
  await expect.poll(() => kernel.sweep(WANTED), within).toEqual([]);
  expect(told).toBe(1);
});
