import { readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import { EMPTY_NAMESPACE, HOST } from "../../src/netstate/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { until } from "../support/until.ts";

/** What is ours goes wholly; what is others' stays as it is. */

const SKETCH: ClusterSketch = {
  nodes: 2,
  services: [
    {
      id: "vote",
      vip: 5,
      networks: ["ingress", "front"],
      ports: [{ protocol: "tcp", published: 8080, target: 80 }],
    },
  ],
  tasks: [
    { id: "vote1111", node: 1, number: 21, networks: ["ingress", "front"], service: "vote" },
    { id: "vote2222", node: 2, number: 22, networks: ["ingress", "front"], service: "vote" },
  ],
};

const hosts: TestHost[] = [];
const make = async () => {
  const host = await makeTestHost();
  hosts.push(host);
  return host;
};
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.dispose();
});

/** All that the tools can tell of a namespace. Indexes of links tell who came first, which is not the point. */
async function portrait(host: TestHost): Promise<string> {
  const parts = await Promise.all([
    host.run(["ip", "address"]),
    host.run(["ip", "route", "show", "table", "all"]),
    host.run(["ip", "rule"]),
    host.run(["ip", "neigh", "show", "nud", "permanent"]),
    host.run(["nft", "list", "ruleset"]),
  ]);
  return parts.join("\n");
}

/** Things of somebody else, some of them as close to ours as can be. */
async function furnish(host: TestHost): Promise<void> {
  const commands = [
    ["ip", "link", "add", "other", "type", "bridge"],
    ["ip", "link", "add", "shx-br", "type", "bridge"],
    ["ip", "link", "add", "sh", "type", "veth", "peer", "name", "sh2"],
    ["ip", "address", "add", "10.5.0.1/24", "dev", "other"],
    ["ip", "link", "set", "other", "up"],
    ["ip", "route", "add", "10.6.0.0/16", "via", "10.5.0.9", "dev", "other", "onlink"],
    ["ip", "rule", "add", "priority", "100", "from", "10.6.0.0/16", "lookup", "100"],
    ["ip", "neigh", "add", "10.5.0.7", "lladdr", "02:00:00:00:00:07", "dev", "other", "nud", "permanent"],
    [
      "nft",
      "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy accept; }",
    ],
    [
      "nft",
      "add table inet shx-host; add set inet shx-host peers { type ipv4_addr; elements = { 10.0.0.1 } }",
    ],
  ] as const;
  for (const argv of commands) await host.run([...argv]);
  // The bridge's own IPv6 address changes by itself until the kernel knows that nobody else has it.
  await until(async () => !(await host.run(["ip", "-6", "address"])).includes("tentative"));
}

test("destroy leaves the host as it was, with everything of others in place", async () => {
  const host = await make();
  await furnish(host);
  const before = await portrait(host);
  const kernel = host.kernel();
  const wanted = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  expect(await kernel.sweep(wanted)).toEqual([]);
  const during = await portrait(host);
  expect(during).toContain("sh-br");
  expect(during).toContain("table ip sh-host");
  await kernel.destroy();
  expect(await portrait(host)).toBe(before);
});

test("two swarms with equal overlay subnets share a host and do not touch each other", async () => {
  const host = await make();
  const [one, two] = [host.kernel("sh"), host.kernel("sb", `${host.folder}-b`)];
  const first = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  const second = planNetwork(factsOf({ ...SKETCH, dataPathPort: 4790, gateway: "172.19" }, 1), { tag: "sb" });
  for (let i = 0; i < 2; i++) {
    expect((await one.apply(first)).failures).toEqual([]);
    expect((await two.apply(second)).failures).toEqual([]);
  }
  expect(await one.sweep(first)).toEqual([]);
  expect(await two.sweep(second)).toEqual([]);
  await one.destroy();
  expect(await two.sweep(second)).toEqual([]);
  expect(await host.run(["nft", "list", "tables"])).toBe("table ip sb-host\n");
  await two.destroy();
  rmdirSync(`${host.folder}-b`);
  expect(await host.run(["nft", "list", "tables"])).toBe("");
});

test("in a task's namespace its own links, routes, rules and tables are left alone", async () => {
  const host = await make();
  const kernel = host.kernel();
  const wanted = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  await kernel.apply(wanted);
  expect(await kernel.sweep(wanted)).toEqual([]);
  const own = [
    ["ip", "link", "add", "docker0", "type", "bridge"],
    ["ip", "address", "add", "172.30.0.1/16", "dev", "docker0"],
    ["ip", "link", "set", "docker0", "up"],
    ["ip", "route", "add", "192.0.2.0/24", "dev", "docker0"],
    ["ip", "rule", "add", "priority", "500", "fwmark", "7", "lookup", "500"],
    ["nft", "add table ip nat"],
  ] as const;
  for (const argv of own) await host.run([...argv], "task-vote1111");
  expect(await kernel.sweep(wanted)).toEqual([]);
  expect(await host.run(["ip", "route"], "task-vote1111")).toContain("192.0.2.0/24 dev docker0");
  expect(await host.run(["ip", "rule"], "task-vote1111")).toContain("lookup 500");
  expect(await host.run(["nft", "list", "tables"], "task-vote1111")).toContain("table ip nat");
});

test("no link of ours has an IPv6 address or asks for one", async () => {
  const host = await make();
  const wanted = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  await host.kernel().apply(wanted);
  expect(await host.run(["ip", "-6", "address", "show", "up"])).not.toContain("sh-");
  for (const name of ["net-front-network", "task-vote1111"]) {
    expect(await host.run(["ip", "-6", "-o", "address"], name)).toMatch(/^(\d+: lo .*\n)?$/);
  }
});

test("files that pin nothing, as a reboot leaves them, are made namespaces again or removed", async () => {
  const host = await make();
  const wanted = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  writeFileSync(join(host.folder, "task-vote1111"), "");
  writeFileSync(join(host.folder, "task-gone1111"), "");
  const kernel = host.kernel();
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  expect(await host.run(["ip", "-br", "address"], "task-vote1111")).toContain("10.0.1.21/24");
  await kernel.destroy();
  expect(readdirSync(host.folder)).toEqual([]);
});

test("a device in our way is replaced in our namespaces, and an error in the host's", async () => {
  const host = await make();
  const wanted = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
  const kernel = host.kernel();
  await kernel.apply({ namespaces: { [HOST]: EMPTY_NAMESPACE, "task-vote1111": EMPTY_NAMESPACE } });
  await host.run(["ip", "link", "add", "eth0", "type", "bridge"], "task-vote1111");
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  expect(await host.run(["ip", "-d", "link", "show", "eth0"], "task-vote1111")).toContain("veth");
});
