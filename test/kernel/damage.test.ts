import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { execOk } from "../../src/sys/index.ts";
import { kernelState } from "../support/kernel-state.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { votes } from "../support/sketches.ts";

/**
 * One damage of every kind to every kind of thing in a NodeNetwork, each mended because the kernel told of it; what it does not
 * tell of is mended by the sweep. The judge is the kernel's own tools, not our reader.
 */

const SKETCH: ClusterSketch = { ...votes(4), dual: true };
const WANTED = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
const FRONT = "net-front-network";
const INGRESS = "net-ingress-network";
const TASK = "task-vote0000";
const LEG = "sh-tvote0000";
const TUNNEL = "sh-v4097";

let host: TestHost;
let kernel: Kernel;
let stop: AbortController;

beforeAll(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
  stop = new AbortController();
  expect((await kernel.apply(WANTED)).failures).toEqual([]);
  kernel.watch(stop.signal, () => void kernel.sweep(WANTED));
});

afterAll(async () => {
  stop.abort();
  await kernel.destroy();
  await host.dispose();
});

/** What is damaged, in which namespace, by what. */
type Damage = readonly [what: string, where: string | undefined, command: string];

const TOLD: readonly Damage[] = [
  ["link: deleted, of the host", undefined, "ip link delete sh-br"],
  ["link: the mesh's leg deleted", undefined, "ip link delete sh-mesh"],
  ["link: a task's leg deleted", FRONT, `ip link delete ${LEG}`],
  ["link: a task's device deleted from inside", TASK, "ip link delete eth0"],
  ["link: the tunnel deleted", FRONT, `ip link delete ${TUNNEL}`],
  ["link: down, of the host", undefined, "ip link set sh-br down"],
  ["link: down", FRONT, `ip link set ${LEG} down`],
  ["link: loopback down, with the VIPs", FRONT, "ip link set lo down"],
  ["link: the tunnel down", FRONT, `ip link set ${TUNNEL} down`],
  ["link: a task's device down", TASK, "ip link set eth0 down"],
  ["link: MTU", FRONT, `ip link set ${LEG} mtu 1280`],
  ["link: MAC", TASK, "ip link set eth0 address 02:00:00:00:00:01"],
  ["link: renamed", FRONT, `ip link set ${LEG} name other`],
  ["link: moved away", FRONT, `ip link set ${LEG} netns 1`],
  ["address: deleted, of the host", undefined, "ip address delete 172.18.0.1/16 dev sh-br"],
  ["address: a VIP deleted", FRONT, "ip address delete 10.0.1.5/32 dev lo"],
  ["address: a task's deleted", TASK, "ip address flush dev eth1"],
  ["address: an IPv6 VIP deleted", FRONT, "ip address delete fd00:1::5/128 dev lo"],
  ["route: deleted", FRONT, "ip route delete 10.0.1.22/32"],
  ["route: replaced", FRONT, "ip route replace blackhole 10.0.1.22/32"],
  ["route: all flushed", FRONT, "ip route flush table main"],
  ["route: all of IPv6 flushed", FRONT, "ip -6 route flush table main"],
  ["route: a task's way out deleted", TASK, "ip route delete default"],
  ["route: the answers' table flushed", TASK, "ip route flush table 100"],
  ["route: one more of ours", FRONT, `ip route add 10.0.1.78/32 dev ${TUNNEL} proto 0x53`],
  ["rule: all flushed", INGRESS, "ip rule flush"],
  ["rule: a task's deleted", TASK, "ip rule delete priority 100"],
  ["rule: all of IPv6 flushed", INGRESS, "ip -6 rule flush"],
  ["neighbour: a task's flushed", FRONT, `ip neigh flush nud permanent dev ${LEG}`],
  [
    "neighbour: a peer's changed",
    FRONT,
    `ip neigh replace 10.0.1.202 lladdr 02:00:00:00:00:02 dev ${TUNNEL}`,
  ],
  ["neighbour: the gateway's deleted", TASK, "ip neigh delete 172.18.0.1 dev eth2"],
  ["neighbour: one more", FRONT, `ip neigh add 10.0.1.79 lladdr 02:00:00:00:00:03 nud permanent dev ${LEG}`],
  ["forwarding entry: deleted", FRONT, `bridge fdb delete 02:42:0a:00:01:ca dev ${TUNNEL} dst 192.168.7.2`],
  [
    "forwarding entry: leads elsewhere",
    FRONT,
    `bridge fdb replace 02:42:0a:00:01:ca dev ${TUNNEL} dst 192.168.7.9`,
  ],
  ["forwarding entry: one more", FRONT, `bridge fdb append 02:42:0a:00:01:cb dev ${TUNNEL} dst 192.168.7.9`],
  ["tables: all flushed, of the host", undefined, "nft flush ruleset"],
  ["tables: all flushed, of a network", FRONT, "nft flush ruleset"],
  ["tables: all flushed, of a task", TASK, "nft flush ruleset"],
  ["table: deleted", INGRESS, "nft delete table ip sh-lb"],
  ["chain: flushed", FRONT, "nft flush chain ip sh-lb prerouting"],
  ["rule of a chain: one more", undefined, "nft insert rule ip sh-host forward drop"],
  ["element: deleted", FRONT, "nft delete element ip sh-lb vips { 10.0.1.5 }"],
  ["element: one more", undefined, "nft add element ip sh-host peers { 192.168.7.66 }"],
  ["sysctl: forwarding off", FRONT, "sysctl -qw net.ipv4.ip_forward=0"],
  ["sysctl: forwarding off, of the host", undefined, "sysctl -qw net.ipv4.ip_forward=0"],
  ["sysctl: forwarding of IPv6 off", FRONT, "sysctl -qw net.ipv6.conf.all.forwarding=0"],
  ["sysctl: path filter of a leg", FRONT, `sysctl -qw net.ipv4.conf.${LEG}.rp_filter=0`],
  ["sysctl: path filter of a task", TASK, "sysctl -qw net.ipv4.conf.eth0.rp_filter=1"],
  ["sysctl: ARP for others", FRONT, `sysctl -qw net.ipv4.conf.${LEG}.proxy_arp=0`],
];

/** The tools' words, and the values of the sysctls that were asked for. */
async function look(): Promise<unknown> {
  const sysctls: Record<string, string> = {};
  for (const [name, { sysctls: wanted }] of Object.entries(WANTED.namespaces)) {
    const keys = Object.keys(wanted);
    const pinned = name === "host" ? undefined : name;
    if (keys.length > 0) sysctls[name] = await host.run(["sysctl", ...keys], pinned).catch(() => "");
  }
  return { state: await kernelState(host), sysctls };
}

test.each(TOLD)("%s: the kernel tells", async (_, where, command) => {
  const before = await look();
  await host.run(command.split(" ") as [string, ...string[]], where);
  await expect.poll(look, { timeout: 10_000, interval: 5 }).toEqual(before);
});

/** Of these no note comes. */
const UNTOLD: readonly Damage[] = [
  ["sysctl: answers to ARP", FRONT, "sysctl -qw net.ipv4.conf.all.arp_ignore=1"],
  ["sysctl: redirects", FRONT, `sysctl -qw net.ipv4.conf.${LEG}.send_redirects=1`],
  ["sysctl: delay of ARP for others", FRONT, `sysctl -qw net.ipv4.neigh.${LEG}.proxy_delay=80`],
  ["sysctl: loopback's way to the resolver", TASK, "sysctl -qw net.ipv4.conf.eth2.route_localnet=0"],
];

test.each(UNTOLD)("%s: the sweep finds it", async (_, where, command) => {
  const before = await look();
  await host.run(command.split(" ") as [string, ...string[]], where);
  expect(await look()).not.toEqual(before);
  expect(await kernel.sweep(WANTED)).toHaveLength(1);
  expect(await look()).toEqual(before);
});

test("a pin taken away is put back, on the namespace that the container is in", async () => {
  const before = await look();
  const inode = async () => (await execOk(["stat", "-Lc", "%i", host.path(TASK)])).trim();
  const own = await inode();
  await execOk(["umount", "-l", host.path(TASK)]);
  await kernel.sweep(WANTED);
  expect(await inode()).toBe(own);
  await execOk(["umount", "-l", host.path(TASK)]);
  await execOk(["rm", host.path(TASK)]);
  await kernel.sweep(WANTED);
  expect(await inode()).toBe(own);
  await execOk(["mount", "--bind", host.path(FRONT), host.path(TASK)]);
  expect(await inode()).not.toBe(own);
  await kernel.sweep(WANTED);
  expect(await inode()).toBe(own);
  await expect.poll(look).toEqual(before);
});

test("others' tables, devices, routes and rules stay through all of it", async () => {
  const others = [
    "nft add table ip firewall",
    "nft add chain ip firewall forward { type filter hook forward priority 0 ; policy accept ; }",
    "nft add rule ip firewall forward tcp dport 9 drop",
    "ip link add other type veth peer name other2",
    "ip link set other up",
    "ip link set other2 up",
    "ip address add 10.77.0.1/24 dev other",
    "ip route add 10.78.0.0/24 via 10.77.0.2",
    "ip rule add priority 77 from 10.77.0.0/24 lookup 77",
  ];
  for (const command of others) await host.run(command.split(" ") as [string, ...string[]]);
  const seen = async () => {
    const looks = [
      ["nft", "list", "table", "ip", "firewall"],
      ["ip", "-4", "address", "show", "other"],
      ["ip", "route", "show", "10.78.0.0/24"],
      ["ip", "rule", "show", "priority", "77"],
    ] as const;
    const texts = [];
    for (const argv of looks) texts.push(await host.run(argv));
    return texts.join("");
  };
  const theirs = await seen();
  expect(theirs).toMatch(/dport 9 drop[\s\S]*10\.77\.0\.1[\s\S]*10\.78\.0\.0[\s\S]*lookup 77/);
  const before = await look();
  // A firewall that starts: all is flushed, and its own table is there.
  await host.run(["nft", "flush ruleset; add table ip firewall"]);
  await expect.poll(look, { timeout: 10_000 }).toEqual(before);
  expect(await host.run(["nft", "list", "tables"])).toContain("table ip firewall");
  for (const command of others.slice(1, 3)) await host.run(command.split(" ") as [string, ...string[]]);
  await host.run(["ip", "link", "delete", "sh-br"]);
  await expect.poll(look, { timeout: 10_000 }).toEqual(before);
  expect(await seen()).toBe(theirs);
});
