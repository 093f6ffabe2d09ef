import { afterAll, beforeAll, expect, test } from "vitest";
import { type NetworkFacts, planNetwork } from "../../src/dataplane/index.ts";
import { BY_HAND } from "../../src/dataplane/scenarios.fake.ts";
import type { LinuxKernel } from "../../src/kernel/linux-kernel.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { askOverUdp, connectTimes, pings, serve, type Talk } from "../support/traffic.ts";
import { until } from "../support/until.ts";

/** Packets of containers made by hand, on a node in no cluster (docs/rulesets/by-hand.md); a second host is the world. */

const hosts: TestHost[] = [];
const servers: Talk[] = [];
let kernel: LinuxKernel;
let unplug = async () => {};

const box = (name: string) => hosts[0]!.path(`task-${name}`);
const host = () => hosts[0]!.path();
const outside = () => hosts[1]!.path();

async function apply(facts: NetworkFacts): Promise<number> {
  const { failures, changes } = await kernel.apply(planNetwork(facts, { tag: "sh" }));
  expect(failures).toEqual([]);
  return changes;
}

/** What one connection is answered: who answers, and what address he saw. */
async function ask(from: string, address: string, port: number): Promise<string | undefined> {
  return (await connectTimes(from, address, port, 1, 700))[0];
}

async function portsOf(bridge: string): Promise<string[]> {
  const lines = await hosts[0]!.run(["ip", "-o", "link", "show", "master", bridge]);
  return lines
    .trim()
    .split("\n")
    .map((line) => line.split(": ")[1]?.split("@")[0] ?? "");
}

beforeAll(async () => {
  hosts.push(await makeTestHost(), await makeTestHost());
  unplug = await joinHosts(hosts);
  for (const [i, each] of hosts.entries())
    await each.run(["ip", "address", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad"]);
  kernel = hosts[0]!.kernel();
  await apply(BY_HAND);
  for (const name of ["web", "api", "db"]) servers.push(await serve(box(name), name, 80, "::"));
  servers.push(await serve(box("web"), "web-tls", 443));
  servers.push(await serve(host(), "host", 9000), await serve(outside(), "world", 80));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  await kernel.destroy();
  await unplug();
  for (const each of hosts) await each.dispose();
});

test("containers of one network reach each other by their addresses there, which both see", async () => {
  expect(await ask(box("web"), "172.19.0.17", 80)).toBe("api 172.19.0.16");
  expect(await ask(box("db"), "172.20.0.17", 80)).toBe("api 172.20.0.18");
  expect(await pings(box("api"), "172.19.0.16")).toBe(true);
  expect(await pings(box("api"), "fd00:19::16")).toBe(true);
});

test("the host reaches containers at their addresses, and they the host", async () => {
  for (const [address, answer] of [
    ["172.17.0.16", "web 172.17.0.1"],
    ["172.19.0.17", "api 172.19.0.1"],
    ["172.20.0.18", "db 172.20.0.1"],
  ] as const)
    expect(await ask(host(), address, 80)).toBe(answer);
  expect(await pings(host(), "fd00:19::17")).toBe(true);
  expect(await ask(box("web"), "172.17.0.1", 9000)).toBe("host 172.17.0.16");
  expect(await ask(box("db"), "172.20.0.1", 9000)).toBe("host 172.20.0.18");
});

test("networks are apart: neither by the other's bridge nor by the gateway legs", async () => {
  expect(await ask(box("db"), "172.19.0.16", 80)).not.toContain("web");
  expect(await ask(box("api"), "172.17.0.16", 80)).not.toContain("web");
  expect(await ask(box("api"), "172.18.0.16", 80)).not.toContain("web");
  expect(await pings(box("api"), "172.17.0.16")).toBe(false);
  // Nor when the one who asks makes himself a route: what leaves a bridge is dropped.
  await hosts[0]!.run(["ip", "route", "add", "172.17.0.16/32", "via", "172.19.0.1"], "task-api");
  expect(await pings(box("api"), "172.17.0.16")).toBe(false);
  await hosts[0]!.run(["ip", "route", "delete", "172.17.0.16/32"], "task-api");
});

test("a container reaches the world with its host's address; one on an internal network alone does not", async () => {
  expect(await ask(box("web"), "192.168.7.2", 80)).toBe("world 192.168.7.1");
  expect(await ask(box("api"), "192.168.7.2", 80)).toBe("world 192.168.7.1");
  expect(await ask(box("db"), "192.168.7.2", 80)).not.toContain("world");
  await hosts[0]!.run(["ip", "route", "add", "default", "via", "172.20.0.1"], "task-db");
  expect(await ask(box("db"), "192.168.7.2", 80)).not.toContain("world");
  await hosts[0]!.run(["ip", "route", "delete", "default"], "task-db");
});

test("a published port shows the container who calls; one at 127.0.0.1 is the host's alone", async () => {
  expect(await ask(outside(), "192.168.7.1", 8080)).toBe("web 192.168.7.2");
  expect(await ask(host(), "127.0.0.1", 8080)).toBe("web 172.18.0.1");
  expect(await ask(host(), "127.0.0.1", 8443)).toBe("web-tls 172.18.0.1");
  for (const address of ["192.168.7.1", "127.0.0.1"])
    expect(await ask(outside(), address, 8443)).not.toContain("web");
});

test("who asks at a UDP port of one address before it is published is answered as soon as it is, from the same port", async () => {
  const asker = await askOverUdp(outside(), "192.168.7.1", 8053);
  expect(await asker.ask("")).not.toContain("web");
  const [web, ...others] = BY_HAND.tasks;
  const port = { protocol: "udp", published: 8053, target: 80, hostAddress: "192.168.7.1" } as const;
  await apply({ ...BY_HAND, tasks: [{ ...web!, hostPorts: [...web!.hostPorts, port] }, ...others] });
  expect(await asker.ask("")).toBe("web 192.168.7.2");
  asker.stop();
  await apply(BY_HAND);
});

test("containers use the host's published ports, at its address on their own network too", async () => {
  expect(await ask(box("api"), "192.168.7.1", 8080)).toBe("web 172.18.0.17");
  expect(await ask(box("api"), "172.19.0.1", 8080)).toBe("web 172.18.0.1");
  expect(await ask(box("web"), "172.17.0.1", 8080)).toBe("web 172.18.0.1");
  expect(await ask(box("db"), "172.20.0.1", 8080)).not.toContain("web");
  expect(await ask(box("api"), "2001:db8::1", 8080)).toBe("web fd53:686f:616c:1::ac12:11");
  expect(await ask(box("api"), "fd00:19::1", 8080)).toBe("web fd53:686f:616c:1::ac12:1");
});

test("what a container's kernel learns of a path is no route that somebody made", async () => {
  const wanted = planNetwork(BY_HAND, { tag: "sh" });
  const cached = () => hosts[0]!.run(["ip", "-6", "route", "show", "cache"], "task-web");
  await hosts[0]!.run(["ip", "link", "set", "eth0", "mtu", "1300"]);
  const asker = await askOverUdp(box("web"), "2001:db8::2", 9);
  await asker.ask("1350");
  await until(async () => (await cached()).includes("2001:db8::2"));
  asker.stop();
  expect(await kernel.sweep(wanted)).toEqual([]);
  await hosts[0]!.run(["ip", "link", "set", "eth0", "mtu", "1500"]);
});

test("the world reaches no container but by a published port, though it has a route", async () => {
  await hosts[1]!.run(["ip", "route", "add", "172.16.0.0/12", "via", "192.168.7.1"]);
  for (const address of ["172.17.0.16", "172.19.0.17", "172.20.0.18", "172.18.0.16"])
    expect(await ask(outside(), address, 80)).not.toMatch(/web|api|db/);
});

test("on a network without icc containers do not reach each other, the host reaches them, and that can be changed", async () => {
  const bridges = BY_HAND.bridges!.map((bridge) => ({ ...bridge, icc: bridge.id !== "app" }));
  const wanted = planNetwork({ ...BY_HAND, bridges }, { tag: "sh" });
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  expect(await kernel.sweep(wanted)).toEqual([]);
  expect(await pings(box("web"), "172.19.0.17")).toBe(false);
  expect(await ask(host(), "172.19.0.17", 80)).toBe("api 172.19.0.1");
  expect(await ask(box("db"), "172.20.0.17", 80)).toBe("api 172.20.0.18");
  await hosts[0]!.run(["ip", "link", "set", (await portsOf("sh-bapp"))[0] ?? "", "nomaster"]);
  expect((await kernel.sweep(wanted)).length).toBeGreaterThan(0);
  expect(await kernel.sweep(wanted)).toEqual([]);
  expect(await pings(box("web"), "172.19.0.17")).toBe(false);
  await apply(BY_HAND);
  expect(await pings(box("web"), "172.19.0.17")).toBe(true);
});

test("what others break comes back: a bridge that is gone, its ports, its address, its rules", async () => {
  const wanted = planNetwork(BY_HAND, { tag: "sh" });
  const breakings: readonly (readonly [string, ...string[]])[] = [
    ["ip", "link", "delete", "sh-bapp"],
    ["ip", "address", "flush", "dev", "sh-bapp"],
    ["nft", "flush", "ruleset"],
    ["ip", "link", "set", "sh-bapp", "down"],
    ["ip", "route", "flush", "dev", "sh-bapp"],
  ];
  for (const words of breakings) {
    await hosts[0]!.run(words);
    expect((await kernel.sweep(wanted)).length, words.join(" ")).toBeGreaterThan(0);
    expect(await kernel.sweep(wanted)).toEqual([]);
    expect(await ask(box("web"), "172.19.0.17", 80)).toBe("api 172.19.0.16");
    expect(await ask(host(), "172.19.0.17", 80)).toBe("api 172.19.0.1");
    expect(await ask(outside(), "192.168.7.1", 8080)).toBe("web 192.168.7.2");
  }
});

test("a network more, or one less, leaves the others' devices as they are", async () => {
  const before = await hosts[0]!.run(["ip", "-o", "link"], "task-db");
  const [web, api, db] = BY_HAND.tasks;
  const more = {
    ...db!,
    devices: { ...db!.devices, bridge: "eth1" },
    bridges: { ...db!.bridges, bridge: { address: "172.17.0.18", names: ["db"] } },
  };
  await apply({ ...BY_HAND, tasks: [web!, api!, more] });
  expect(await hosts[0]!.run(["ip", "-o", "link"], "task-db")).toContain(before.trim().split("\n").at(-1));
  expect(await ask(box("db"), "192.168.7.2", 80)).toBe("world 192.168.7.1");
  await apply(BY_HAND);
  expect(await hosts[0]!.run(["ip", "-o", "link"], "task-db")).toBe(before);
  expect(await ask(box("db"), "192.168.7.2", 80)).not.toContain("world");
  expect(await apply(BY_HAND)).toBe(0);
});

test("with an MTU that IPv6 does not fit into there is IPv4 alone, and published ports are reached by that", async () => {
  const narrow = BY_HAND.bridges!.map((bridge) => ({ ...bridge, mtu: 1000 }));
  await apply({ ...BY_HAND, bridges: narrow });
  expect(await kernel.sweep(planNetwork({ ...BY_HAND, bridges: narrow }, { tag: "sh" }))).toEqual([]);
  expect(await ask(outside(), "192.168.7.1", 8080)).toBe("web 192.168.7.2");
  expect(await pings(box("api"), "172.19.0.16")).toBe(true);
  await apply(BY_HAND);
  expect(await pings(box("api"), "fd00:19::16")).toBe(true);
});

test("a bridge with the subnet of the host's own network takes no route of the host's, be it made or changed", async () => {
  const routes = () => hosts[0]!.run(["ip", "route", "show", "dev", "eth0"]);
  const before = await routes();
  const lan = { id: "lan", name: "lan", subnet: "192.168.7.0/24", internal: false, named: true };
  for (const gateway of ["192.168.7.254", "192.168.7.253"]) {
    const facts = { ...BY_HAND, bridges: [...BY_HAND.bridges!, { ...lan, gateway }] };
    await apply(facts);
    expect(await kernel.sweep(planNetwork(facts, { tag: "sh" }))).toEqual([]);
    expect(await routes()).toBe(before);
    expect(await pings(host(), "192.168.7.2")).toBe(true);
  }
  await apply(BY_HAND);
  expect(await routes()).toBe(before);
});

test("a bridge keeps its MTU when its last container goes", async () => {
  await apply({ ...BY_HAND, tasks: [] });
  expect(await hosts[0]!.run(["ip", "-o", "link", "show", "sh-bapp"])).toContain(" mtu 1400 ");
  expect(await kernel.sweep(planNetwork({ ...BY_HAND, tasks: [] }, { tag: "sh" }))).toEqual([]);
});
