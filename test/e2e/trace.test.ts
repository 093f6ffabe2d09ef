import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExecResult, exec, execOk } from "../../src/sys/index.ts";
import { type TaskContainer, TestSwarm } from "../support/swarm.ts";

/**
 * `shoal trace` on a swarm of three, held against real connections. The damage is others' tables, which nothing of ours mends; kernels that
 * nothing mends are damaged in every way by test/kernel/trace.test.ts.
 */

const SHOAL = resolve(import.meta.dirname, "../../bin/shoal");
/** Twice each of three tasks, by turns. */
const TRIES = 6;

let swarm: TestSwarm;
let caller: TaskContainer;

beforeAll(async () => {
  swarm = await TestSwarm.up("trace");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "--internal", "back");
  await Promise.all([
    swarm.service("web", "-p", "8080:80", "--replicas", "3", "--network", "front", "shoal/probe"),
    swarm.service("caller", "--mode", "global", "--network", "front", "shoal/probe"),
    swarm.service("inner", "--mode", "global", "--network", "back", "shoal/probe"),
  ]);
  [caller] = (await swarm.containers("caller", ["2"])) as [TaskContainer];
});

afterAll(() => swarm[Symbol.asyncDispose]());

/** `shoal lab trace` from a host on, over all of them. */
const traced = (host: string, client: string, to: string): Promise<ExecResult> =>
  exec([SHOAL, "lab", "trace", "--name", swarm.lab.name, host, client, to]);

interface Call {
  trace(): Promise<ExecResult>;
  /** One answer of a task, which says its host name. */
  try(): Promise<ExecResult>;
}

const MESH: Call = {
  trace: () => traced("2", swarm.ip("client"), `${swarm.ip("2")}:8080`),
  try: () => swarm.exec("client", "curl", "-sf", "--max-time", "0.9", `http://${swarm.ip("2")}:8080/`),
};
const VIP: Call = {
  trace: () => traced("2", caller.id.slice(0, 12), "web"),
  try: () => swarm.inTask(caller, "timeout", "0.9", "wget", "-qO-", "http://web/"),
};
const LOOPBACK: Call = {
  trace: () => traced("2", "host", ":8080"),
  try: () => swarm.exec("2", "curl", "-sf", "--max-time", "0.9", "http://127.0.0.1:8080/"),
};

/** How many tasks answer, and whether all tries were answered; by the trace, and by trying. */
async function agree({ trace, try: once }: Call): Promise<string> {
  const { code, stdout, stderr } = await trace();
  expect(stderr).toBe("");
  const reached = new Set(stdout.match(/(?<==> delivered to task ).+/g));
  const hosts: string[] = [];
  for (let i = 0; i < TRIES; i++) {
    const name = /"hostname":"(\w+)"/.exec((await once()).stdout)?.[1];
    if (name !== undefined) hosts.push(name);
  }
  const seen = { tasks: new Set(hosts).size, fails: hosts.length < TRIES };
  expect(seen, stdout).toEqual({ tasks: reached.size, fails: code === 1 });
  return stdout;
}

test("what is whole is told so: three tasks, on three hosts, by the mesh, a VIP and loopback", async () => {
  for (const call of [MESH, VIP, LOOPBACK]) {
    const text = await agree(call);
    expect(new Set(text.match(/(?<=delivered to task )web\.\d/g))).toEqual(
      new Set(["web.1", "web.2", "web.3"]),
    );
    expect(text.match(/^== host \d ==$/gm)).toHaveLength(3);
  }
});

/** Where a host pins the sandbox of a network. */
async function sandbox(host: string, network: string): Promise<string> {
  const id = await swarm.docker("1", "network", "inspect", "--format", "{{.ID}}", network);
  const run = swarm.hostPaths(host).run;
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  const found = points.find((point) => point.startsWith(`${run}/`) && point.endsWith(`/net-${id}`));
  if (found === undefined) throw new Error(`no sandbox of network ${network} in ${run}`);
  return found;
}

const hostSpace = async (host: string) => swarm.hostPaths(host).netns;

type Damage = readonly [
  what: string,
  space: () => Promise<string>,
  chain: string,
  rule: string,
  says: Partial<Record<"mesh" | "vip", string>>,
];

const DAMAGES: readonly Damage[] = [
  [
    "a firewall whose policy drops what is forwarded",
    () => hostSpace("2"),
    "hook forward priority 0 ; policy drop",
    "",
    { mesh: "dropped at host: dropped by the policy of chain x of table inet others" },
  ],
  [
    "a rule in the sandbox of the overlay",
    () => sandbox("2", "front"),
    "hook forward priority 0 ; policy accept",
    "tcp dport 80 drop",
    { vip: "dropped at sandbox of front: dropped by chain x of table inet others: tcp dport 80 drop" },
  ],
  [
    "a rule in the ingress sandbox, for what goes to one other host",
    () => sandbox("2", "ingress"),
    "hook postrouting priority 0 ; policy accept",
    'oifname "sh-v4096" drop',
    { mesh: "dropped at sandbox of ingress: dropped by chain x of table inet others" },
  ],
  [
    "another host that takes nothing at its tunnel port",
    () => hostSpace("3"),
    "hook input priority -5 ; policy accept",
    "udp dport 4789 counter drop",
    {
      mesh: "dropped at host: dropped by chain x of table inet others",
      vip: "dropped at host: dropped by chain x of table inet others",
    },
  ],
];

test.each(DAMAGES)("%s", async (_, space, chain, rule, says) => {
  const at = await space();
  const nft = (command: string) => execOk(["nsenter", `--net=${at}`, "--", "nft", command]);
  await nft("add table inet others");
  try {
    await nft(`add chain inet others x { type filter ${chain} ; }`);
    if (rule !== "") await nft(`add rule inet others x ${rule}`);
    const [mesh, vip] = [await agree(MESH), await agree(VIP)];
    if (says.mesh !== undefined) expect(mesh).toContain(says.mesh);
    if (says.vip !== undefined) expect(vip).toContain(says.vip);
  } finally {
    await nft("delete table inet others");
  }
  expect((await MESH.trace()).code).toBe(0);
});

test("ports that nobody publishes, names of other networks, the way out of an internal one, and clients of other hosts", async () => {
  const [inner] = (await swarm.containers("inner", ["2"])) as [TaskContainer];
  const closed = await traced("2", swarm.ip("client"), ":8099");
  expect(closed).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("no rule leads port 8099/tcp on"),
  });
  expect((await swarm.exec("client", "curl", "-s", `http://${swarm.ip("2")}:8099/`)).code).toBe(7);
  const apart = await traced("2", inner.taskId, "web");
  expect(apart).toMatchObject({ code: 1, stdout: expect.stringContaining("they share no network") });
  const inside = await traced("2", inner.taskId, `${swarm.ip("client")}:9`);
  expect(inside).toMatchObject({ code: 1, stdout: expect.stringContaining("no route to") });
  const elsewhere = await traced("1", caller.taskId, "web");
  expect(elsewhere.stderr).toMatch(
    /^shoal: cannot trace from \w+: it runs on node \w+ \([\d.]+\): ask there\n$/,
  );
});

test("shoal trace asks one node, at its API socket", async () => {
  const env = { ...process.env, DOCKER_HOST: `unix://${swarm.hostPaths("2").apiSocket}` };
  const { code, stdout } = await exec([SHOAL, "trace", "caller", "web:80"], { env });
  expect(code).toBe(0);
  const onwards = stdout.match(/(?<=^ +shoal )trace --by .*$/gm) ?? [];
  expect(onwards.length).toBeGreaterThan(0);
  const help = await exec([SHOAL, "trace", "--help"]);
  expect(help.stdout).toContain("Usage: shoal trace");
});
