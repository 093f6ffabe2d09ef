import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { execOk } from "../../src/sys/index.ts";
import { explain, printTrace, type Trace, type TraceQuestion } from "../../src/trace/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import { serve, type Talk } from "../support/traffic.ts";

/**
 * What a trace says is what happens: a kernel is damaged, nothing mends it, and real connections reach just the tasks that the trace
 * says are reached.
 */

const FACTS = [factsOf(TALKERS, 1), factsOf(TALKERS, 2)] as const;
const WANTED = FACTS.map((facts) => planNetwork(facts, { tag: "sh" }));
const CLIENT = "task-client11";
const FRONT = "net-front-network";
const INGRESS = "net-ingress-network";
const TASK = "task-vote1111";
const LEG = "sh-tvote1111";
const OUTSIDE = "192.168.7.3";
/** Below those that the kernel chooses from. */
const FIRST_PORT = 20_000;
/** A multiple of the number of tasks, which are drawn by turns. */
const TRIES = 6;
/** Less than a connection's first packet is sent again after, for that would be another draw. */
const TIMEOUT_MS = 900;

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const servers: Talk[] = [];
let unplug = async () => {};

beforeAll(async () => {
  for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
  for (const [i, kernel] of kernels.entries()) expect((await kernel.apply(WANTED[i]!)).failures).toEqual([]);
  for (const { id, node } of TALKERS.tasks)
    servers.push(await serve(hosts[node - 1]!.path(`task-${id}`), id, 80));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

/** Where the caller is, and what it calls. */
interface Call extends TraceQuestion {
  readonly netns: () => string;
  readonly address: string;
  readonly port: number;
}

const CALLS: readonly Call[] = [
  {
    ...{ client: "client11", destination: "vote", address: "10.0.1.5", port: 80 },
    netns: () => hosts[0]!.path(CLIENT),
  },
  {
    ...{ client: "client11", destination: "10.0.1.22:80", address: "10.0.1.22", port: 80 },
    netns: () => hosts[0]!.path(CLIENT),
  },
  {
    ...{ client: OUTSIDE, destination: "192.168.7.1:8080", address: "192.168.7.1", port: 8080 },
    netns: () => hosts[2]!.path(),
  },
  {
    ...{ client: OUTSIDE, destination: "192.168.7.1:9000", address: "192.168.7.1", port: 9000 },
    netns: () => hosts[2]!.path(),
  },
];
const LOOPBACK: Call = {
  ...{ client: "host", destination: ":8080", address: "127.0.0.1", port: 8080 },
  netns: () => hosts[0]!.path(),
};

async function trace(node: number, question: TraceQuestion): Promise<Trace> {
  const kernel = kernels[node]!;
  const ground = {
    facts: FACTS[node]!,
    own: [`192.168.7.${node + 1}`],
    listening: await kernel.portsInUse(),
  };
  return explain(await kernel.observe(WANTED[node]!), ground, question);
}

/** The tasks that are reached, and whether any way ends in a drop, by what all nodes say. */
async function said(call: Call): Promise<Reached & { readonly text: string }> {
  const first = await trace(0, call);
  const rest = first.paths.flatMap(({ verdict }) => (verdict.kind === "crosses" ? [verdict.ask] : []));
  const traces = [first, ...(await Promise.all(rest.map((question) => trace(1, question))))];
  const verdicts = traces.flatMap(({ paths }) => paths.map((path) => path.verdict));
  const tasks = verdicts.flatMap((v) => (v.kind === "delivered" ? [v.to.replace("task ", "")] : []));
  return {
    tasks: [...new Set(tasks)].sort(),
    fails: verdicts.some(({ kind }) => kind === "dropped"),
    text: traces.map(printTrace).join(""),
  };
}

/**
 * Connects so many times at once, each from the next port, and prints the answers as JSON: what was said, or why nothing was. The limit is for
 * connecting, which is the kernels' work; whoever is connected waits as long as a busy machine takes. What the kernel has to tell by the
 * moment of the limit is heard first, however late the program comes to it.
 */
const CALLER = `
const [host, port, from, count, ms] = process.argv.slice(1);
const limit = Date.now() + Number(ms);
const once = (_, i) => new Promise((resolve) => {
  let text = "";
  const socket = require("node:net").connect({ host, port: Number(port), localPort: Number(from) + i });
  const timer = setTimeout(() => setImmediate(() => {
    if (!socket.connecting) return;
    resolve("timeout");
    socket.destroy();
  }), limit - Date.now());
  socket.setTimeout(20_000, () => { resolve("silence"); socket.destroy(); });
  socket.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text)).on("error", (e) => resolve(e.code));
  socket.on("close", () => clearTimeout(timer));
});
Promise.all(Array.from({ length: Number(count) }, once)).then((answers) => console.log(JSON.stringify(answers)));
`;

/**
 * No connection has a port of another's before it: what was begun under a damage is tracked for two minutes as it was then, without a
 * translation or a mark, and whoever uses its port anew meets it.
 */
let port = FIRST_PORT;

interface Reached {
  readonly tasks: readonly string[];
  readonly fails: boolean;
}

/** Waits long for answers that shall come: a busy machine takes its time. */
async function seen(
  { netns, address, port: to }: Call,
  expected: Reached,
): Promise<Reached & { readonly answers: readonly string[] }> {
  const numbers = [to, port, TRIES, expected.fails ? TIMEOUT_MS : 20_000];
  port += TRIES;
  const args = [address, ...numbers.map(String)];
  const argv = ["nsenter", `--net=${netns()}`, "--", process.execPath, "-e", CALLER, ...args] as const;
  const answers: string[] = JSON.parse(await execOk(argv));
  const tasks = answers.flatMap((answer) =>
    /^\w+ [\d.]+$/.test(answer) ? [answer.split(" ")[0] ?? ""] : [],
  );
  return { tasks: [...new Set(tasks)].sort(), fails: tasks.length < TRIES, answers };
}

async function agree(calls: readonly Call[]): Promise<void> {
  for (const call of calls) {
    const { text, ...expected } = await said(call);
    const { answers, ...reached } = await seen(call, expected);
    const about = `${call.client} to ${call.destination}, answers: ${answers.join(", ")}`;
    expect({ text, ...reached }, about).toEqual({ text, ...expected });
  }
}

type Damage = readonly [what: string, node: number, where: string | undefined, command: string];

const DAMAGES: readonly Damage[] = [
  ["nothing", 0, undefined, "true"],
  ["the host's rules", 0, undefined, "nft flush ruleset"],
  ["the mesh's leg", 0, undefined, "ip link delete sh-mesh"],
  ["the mesh's leg down", 0, undefined, "ip link set sh-mesh down"],
  ["a published port", 0, undefined, "nft delete element ip sh-host published { tcp . 8080 }"],
  ["a port in host mode", 0, undefined, "nft flush map ip sh-host host-ports"],
  ["one more rule", 0, undefined, "nft insert rule ip sh-host forward drop"],
  ["one more rule, of some", 0, undefined, "nft insert rule ip sh-host forward tcp dport 80-90 drop"],
  ["the host's forwarding", 0, undefined, "sysctl -qw net.ipv4.ip_forward=0"],
  ["the mesh's address", 0, undefined, "ip address delete 172.18.0.5/30 dev sh-mesh"],
  ["the kernel's own route to the mesh", 0, undefined, "ip route delete 172.18.0.4/30"],
  ["a gateway leg's route", 0, undefined, "ip route delete 172.18.0.33/32"],
  ["a gateway leg", 0, undefined, "ip link delete sh-glonely11"],
  ["loopback's source", 0, undefined, "nft flush chain ip sh-host postrouting"],
  ["the ingress rules", 0, INGRESS, "nft flush ruleset"],
  ["the balancer", 0, INGRESS, "nft delete table ip sh-lb"],
  ["the mesh's doors", 0, INGRESS, "nft delete table ip sh-mesh"],
  ["the mesh's doors closed", 0, INGRESS, "nft flush chain ip sh-mesh forward"],
  ["a service's draw", 0, INGRESS, "nft flush chain ip sh-lb port-vote-tcp-8080"],
  ["routes", 0, INGRESS, "ip route flush table main"],
  ["the way out of ingress", 0, INGRESS, "ip route delete default"],
  ["policy rules", 0, INGRESS, "ip rule flush"],
  ["the ingress tunnel down", 0, INGRESS, "ip link set sh-v4096 down"],
  [
    "a peer's forwarding entry",
    0,
    INGRESS,
    "bridge fdb delete 02:42:0a:00:00:ca dev sh-v4096 dst 192.168.7.2",
  ],
  ["the overlay's rules", 0, FRONT, "nft flush ruleset"],
  ["a VIP's element", 0, FRONT, "nft delete element ip sh-lb vips { 10.0.1.5 }"],
  ["a VIP", 0, FRONT, "ip address delete 10.0.1.5/32 dev lo"],
  ["loopback", 0, FRONT, "ip link set lo down"],
  ["a remote task's route", 0, FRONT, "ip route delete 10.0.1.22/32"],
  ["a local task's route", 0, FRONT, "ip route delete 10.0.1.21/32"],
  ["the caller's route", 0, FRONT, "ip route delete 10.0.1.31/32"],
  ["the tunnel", 0, FRONT, "ip link delete sh-v4097"],
  ["the tunnel down", 0, FRONT, "ip link set sh-v4097 down"],
  ["the peer's neighbour", 0, FRONT, "ip neigh delete 10.0.1.202 dev sh-v4097"],
  [
    "the peer's neighbour is another",
    0,
    FRONT,
    "ip neigh replace 10.0.1.202 lladdr 02:00:00:00:00:02 dev sh-v4097",
  ],
  ["the peer is elsewhere", 0, FRONT, "bridge fdb replace 02:42:0a:00:01:ca dev sh-v4097 dst 192.168.7.9"],
  ["a leg", 0, FRONT, `ip link delete ${LEG}`],
  ["a leg down", 0, FRONT, `ip link set ${LEG} down`],
  ["forwarding", 0, FRONT, "sysctl -qw net.ipv4.ip_forward=0"],
  ["ARP for others", 0, FRONT, "sysctl -qw net.ipv4.conf.sh-tclient11.proxy_arp=0"],
  ["the rules to the tables", 0, FRONT, "ip rule flush"],
  ["a task's rule for answers", 0, TASK, "ip rule delete priority 100"],
  ["a task's table for answers", 0, TASK, "ip route flush table 100"],
  ["a task's device down", 0, TASK, "ip link set eth0 down"],
  ["a task's address", 0, TASK, "ip address flush dev eth1"],
  ["a task's rules", 0, TASK, "nft flush ruleset"],
  ["the caller's device down", 0, CLIENT, "ip link set eth0 down"],
  [
    "the other node does not know this one",
    1,
    undefined,
    "nft delete element ip sh-host peers { 192.168.7.1 }",
  ],
  ["the other node's marks", 1, INGRESS, "nft flush map ip sh-mesh entries"],
  ["the other node's way back", 1, INGRESS, "ip route flush table 65737"],
  ["the other node's rules of routing", 1, INGRESS, "ip rule flush"],
  ["the other node's leg", 1, FRONT, "ip link set sh-tvote2222 down"],
  ["the other node's route to the caller", 1, FRONT, "ip route delete 10.0.1.31/32"],
];

test.each(DAMAGES)("%s", async (_, node, where, command) => {
  await hosts[node]!.run(command.split(" ") as [string, ...string[]], where);
  await hosts[0]!.run(["ip", "neigh", "flush", "all"], CLIENT);
  try {
    await Promise.all(CALLS.map((call) => agree([call])));
    await agree([LOOPBACK]);
  } finally {
    for (const [i, kernel] of kernels.entries()) await kernel.sweep(WANTED[i]!);
  }
});

/** Of others, so nothing of ours mends it. */
const FOREIGN: readonly (readonly [what: string, where: string | undefined, hook: string, rule: string])[] = [
  ["a policy of the host", undefined, "forward", ""],
  ["a rule of the host", undefined, "forward", "ip daddr 172.18.0.6 drop"],
  ["an answer of the host's", undefined, "forward", 'iifname "sh-mesh" ct state established reject'],
  ["a policy of a sandbox", FRONT, "forward", ""],
  ["a rule of a task", TASK, "input", "tcp dport 80 drop"],
  ["what a task says", CLIENT, "output", "ip daddr { 10.0.1.5, 10.0.9.0/24 } counter drop"],
];

test.each(FOREIGN)("others' tables: %s", async (_, where, hook, rule) => {
  const policy = rule === "" ? "drop" : "accept";
  const commands = [
    "add table inet others",
    `add chain inet others x { type filter hook ${hook} priority 5 ; policy ${policy} ; }`,
    ...(rule === "" ? [] : [`add rule inet others x ${rule}`]),
  ];
  for (const command of commands) await hosts[0]!.run(["nft", command], where);
  try {
    const before = await said(CALLS[0]!);
    await Promise.all(CALLS.map((call) => agree([call])));
    await agree([LOOPBACK]);
    const all = await Promise.all([...CALLS, LOOPBACK].map(said));
    expect(
      all.some(({ fails, text }) => fails && text.includes("inet others")),
      before.text,
    ).toBe(true);
  } finally {
    await hosts[0]!.run(["nft", "delete table inet others"], where);
  }
});
