import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { type TaskContainer, TestSwarm } from "../support/swarm.ts";

/**
 * A host's network is damaged under traffic, one thing at a time: requests by the mesh and by a VIP may fail for a moment, and are right
 * from then on.
 */

/** What is promised. Requests that begin later may not fail. */
const HEALED_SECONDS = 1;
const REQUESTS = 60;

let swarm: TestSwarm;
let caller: TaskContainer;
let folder: string;
/** The damaged host's namespaces by the word that the damages call them. */
const spaces = new Map<string, string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-healing-"));
  swarm = await TestSwarm.up("healing");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await Promise.all([
    swarm.service("web", "-p", "8080:80", "--replicas", "3", "--network", "front", "shoal/probe"),
    swarm.service("caller", "--mode", "global", "--network", "front", "shoal/probe"),
  ]);
  [caller] = (await swarm.containers("caller", ["2"])) as [TaskContainer];
  spaces.set("host", swarm.hostPaths("2").netns);
  for (const name of ["front", "ingress"]) {
    const id = await swarm.docker("1", "network", "inspect", "--format", "{{.ID}}", name);
    spaces.set(name, pinOf(id));
  }
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Where host 2 pins the sandbox of a network. */
function pinOf(networkId: string): string {
  const run = swarm.hostPaths("2").run;
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  const found = points.find((point) => point.startsWith(`${run}/`) && point.endsWith(`/net-${networkId}`));
  if (found === undefined) throw new Error(`no sandbox of network ${networkId} in ${run}`);
  return found;
}

const inSpace = (space: string, ...argv: string[]) =>
  exec(["nsenter", `--net=${spaces.get(space) ?? space}`, "--", ...argv]);

/** Names of the devices in a namespace that are named so. */
async function devices(space: string, pattern: RegExp): Promise<string[]> {
  const links: { ifname: string }[] = JSON.parse((await inSpace(space, "ip", "-j", "link")).stdout);
  return links.map(({ ifname }) => ifname).filter((name) => pattern.test(name));
}

/** Seconds since boot, as the loops below write them. */
const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

/** Requests one after the other, each with a line: when it began, and "ok" or not. */
const loop = (request: string) => `
  i=0
  while [ $i -lt ${REQUESTS} ]; do
    read now rest < /proc/uptime
    if ${request} >/dev/null 2>&1; then echo "$now ok"; else echo "$now failed"; fi
    i=$((i + 1)); sleep 0.05
  done`;

interface Request {
  readonly began: number;
  readonly ok: boolean;
}

const requestsOf = (text: string): Request[] =>
  text
    .trim()
    .split("\n")
    .map((line) => ({ began: Number(line.split(" ")[0]), ok: line.endsWith("ok") }));

type Damage = readonly [what: string, space: string, command: () => Promise<string[]>];

const plain =
  (...argv: string[]) =>
  async () =>
    argv;
const device =
  (space: string, pattern: RegExp, ...words: string[]) =>
  async () => {
    const [name = ""] = await devices(space, pattern);
    return words.map((word) => (word === "DEVICE" ? name : word));
  };

const DAMAGES: readonly Damage[] = [
  ["all rules of the host", "host", plain("nft", "flush", "ruleset")],
  ["all rules of the ingress network", "ingress", plain("nft", "flush", "ruleset")],
  ["all rules of the overlay network", "front", plain("nft", "flush", "ruleset")],
  ["the mesh's leg", "host", device("host", /-mesh$/, "ip", "link", "delete", "DEVICE")],
  ["the bridge", "host", device("host", /-br$/, "ip", "link", "delete", "DEVICE")],
  ["the tunnel of ingress", "ingress", device("ingress", /-v\w+$/, "ip", "link", "delete", "DEVICE")],
  ["the tunnel of the overlay", "front", device("front", /-v\w+$/, "ip", "link", "delete", "DEVICE")],
  ["a task's leg", "front", device("front", /-t\w+$/, "ip", "link", "delete", "DEVICE")],
  ["all routes", "front", plain("ip", "route", "flush", "table", "main")],
  ["all rules of routing", "ingress", plain("ip", "rule", "flush")],
  ["all VIPs", "front", plain("ip", "address", "flush", "dev", "lo")],
  [
    "all neighbours",
    "front",
    device("front", /-v\w+$/, "ip", "neigh", "flush", "nud", "permanent", "dev", "DEVICE"),
  ],
  ["forwarding", "ingress", plain("sysctl", "-qw", "net.ipv4.ip_forward=0")],
  ["all connections", "ingress", plain("conntrack", "-F")],
  ["all connections of the overlay", "front", plain("conntrack", "-F")],
];

test.each(DAMAGES)("%s", async (_, space, command) => {
  const argv = await command();
  const seen = join(folder, "requests");
  writeFileSync(seen, "");
  const ask = loop(`curl -sf --max-time 0.5 http://${swarm.ip("2")}:8080/`);
  const mesh = swarm.exec(
    "client",
    "sh",
    "-c",
    `{ ${ask}
  } | tee ${seen}`,
  );
  const vip = swarm.inTask(caller, "sh", "-c", loop("timeout 1 wget -qO- http://web/"));
  await expect
    .poll(() => readFileSync(seen, "utf8").split("\n").length, { timeout: 10_000 })
    .toBeGreaterThan(4);
  const damaged = uptime();
  const [file = "", ...rest] = argv;
  const { code, stderr } = await inSpace(space, file, ...rest);
  expect(`${code} ${stderr}`, argv.join(" ")).toMatch(/^0 /);
  for (const [by, { stdout }] of [["mesh", await mesh] as const, ["vip", await vip] as const]) {
    const requests = requestsOf(stdout);
    expect(requests.length).toBe(REQUESTS);
    const failed = requests.filter(({ ok }) => !ok).map(({ began }) => began - damaged);
    expect(requests.filter(({ ok, began }) => ok && began > damaged + HEALED_SECONDS).length).toBeGreaterThan(
      0,
    );
    expect(Math.max(0, ...failed), `${by}: ${JSON.stringify(failed)}`).toBeLessThan(HEALED_SECONDS);
  }
});
