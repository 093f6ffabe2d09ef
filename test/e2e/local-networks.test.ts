import { afterAll, beforeAll, expect, test } from "vitest";
import { killDaemon, startHost } from "../../src/lab/index.ts";
import { exec, systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** `docker network` and `docker run --network` on a node in no swarm, by the stock CLI; containers are shoal/probe, which says who called. */

let swarm: TestSwarm;
const docker = (...words: string[]) => swarm.docker("1", ...words);

/** What a command complained of. */
async function refusal(...words: string[]): Promise<string> {
  const { code, stderr } = await swarm.try("1", ...words);
  expect(code).not.toBe(0);
  return stderr;
}

beforeAll(async () => {
  swarm = await TestSwarm.up("byhand", 1, { swarm: false });
  await docker("pull", "-q", "busybox");
  await docker("pull", "-q", "shoal/probe");
  await docker("network", "create", "--subnet", "10.9.0.0/24", "app");
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** Runs a command in the container's namespaces. */
async function inside(name: string, ...argv: string[]): Promise<string> {
  const pid = await docker("inspect", "--format", "{{.State.Pid}}", name);
  const { stdout, stderr } = await exec(["nsenter", "-t", pid.trim(), "-n", "-m", "--", ...argv]);
  return `${stdout}${stderr}`;
}

const fetched = async (from: string, url: string) =>
  (await swarm.exec(from, "curl", "-s", "--max-time", "2", url)).stdout;

test("containers find each other by name, the host and the world reach them as they may", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "web",
    "--network",
    "app",
    "--network-alias",
    "front",
    "-p",
    "8080:80",
    "shoal/probe",
  );
  await docker(
    "run",
    "-d",
    "--name",
    "tool",
    "--network",
    "app",
    "--ip",
    "10.9.0.77",
    "busybox",
    "sleep",
    "1000",
  );
  await docker("run", "-d", "--name", "plain", "busybox", "sleep", "1000");
  for (const name of ["web", "front"])
    expect(await inside("tool", "wget", "-qO-", `http://${name}/`)).toContain('"client":"10.9.0.77"');
  expect(await inside("plain", "wget", "-qO-", "-T", "2", "http://web/")).not.toContain("client");
  expect(await fetched("client", `http://${swarm.ip("1")}:8080/`)).toContain(
    `"client":"${swarm.ip("client")}"`,
  );
  expect(await fetched("1", "http://10.9.0.2/")).toContain('"client":"10.9.0.1"');
  expect(await fetched("1", "http://127.0.0.1:8080/")).toContain("client");
});

test("inspect tells who is on it; what is in use stays", async () => {
  const [network] = JSON.parse(await docker("network", "inspect", "app"));
  const rows = Object.values(network.Containers as Record<string, { Name: string; IPv4Address: string }>);
  expect(rows.map(({ Name, IPv4Address }) => `${Name} ${IPv4Address}`).sort()).toEqual([
    "tool 10.9.0.77/24",
    "web 10.9.0.2/24",
  ]);
  expect(await refusal("network", "rm", "app")).toContain("has active endpoints");
  expect(await refusal("run", "-d", "-p", "8080:80", "shoal/probe")).toContain("port is already allocated");
  expect(await refusal("run", "-d", "--network", "nowhere", "busybox")).toContain(
    "network nowhere not found",
  );
});

test("connect and disconnect while it runs", async () => {
  await docker("network", "connect", "--alias", "guest", "app", "plain");
  expect(await inside("plain", "wget", "-qO-", "http://web/")).toContain("client");
  expect(await inside("tool", "ping", "-c1", "-W2", "guest")).toContain("0% packet loss");
  await docker("network", "disconnect", "app", "plain");
  expect(await inside("plain", "wget", "-qO-", "-T", "2", "http://10.9.0.2/")).not.toContain("client");
});

test("a container that stops keeps its networks, loses them, has none and starts all the same", async () => {
  const networksOf = async (name: string) =>
    Object.keys(JSON.parse(await docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", name)));
  await docker("network", "create", "late");
  await docker("network", "connect", "--alias", "guest", "late", "plain");
  await docker("stop", "-t", "0", "plain");
  expect(await networksOf("plain")).toEqual(["bridge", "late"]);
  // Another network of the same name is as good.
  await docker("network", "rm", "late");
  await docker("network", "create", "late");
  await docker("start", "plain");
  expect(await inside("plain", "nslookup", "-type=a", "guest")).toContain("Name:\tguest");
  await docker("stop", "-t", "0", "plain");
  for (const network of ["late", "bridge"]) await docker("network", "disconnect", network, "plain");
  await docker("start", "plain");
  expect(await networksOf("plain")).toEqual([]);
  await docker("network", "connect", "app", "plain");
  expect(await inside("plain", "wget", "-qO-", "http://web/")).toContain("client");
  await docker("network", "disconnect", "app", "plain");
  await docker("network", "connect", "bridge", "plain");
  await docker("network", "rm", "late");
});

test("neither a swarm that comes and goes nor a daemon that starts again is noticed", async () => {
  const pid = (await docker("inspect", "--format", "{{.State.Pid}}", "tool")).trim();
  const pinging = exec([
    "nsenter",
    "-t",
    pid,
    "-n",
    "--",
    "ping",
    "-q",
    "-i",
    "0.02",
    "-c",
    "900",
    "10.9.0.2",
  ]);
  await docker("swarm", "init", "--advertise-addr", swarm.ip("1"));
  await docker("swarm", "leave", "--force");
  await killDaemon(swarm.lab, "1", systemClock);
  await startHost(swarm.lab, "1", hostParts);
  await eventually(20_000, "the API answers again", async () => (await swarm.try("1", "ps")).code === 0);
  expect((await docker("ps", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["plain", "tool", "web"]);
  expect(await fetched("client", `http://${swarm.ip("1")}:8080/`)).toContain("client");
  expect(await inside("tool", "wget", "-qO-", "http://web/")).toContain('"client":"10.9.0.77"');
  expect((await pinging).stdout).toContain(" 0% packet loss");
});

test("what is removed leaves nothing behind", async () => {
  await docker("rm", "-f", "web", "tool", "plain");
  expect(await docker("network", "prune", "-f")).toContain("app");
  const links = async () => (await swarm.exec("1", "ip", "-o", "link")).stdout;
  await eventually(10_000, "no device of ours is left", async () => !(await links()).includes(" sh-"));
  expect((await swarm.exec("1", "nft", "list", "ruleset")).stdout).not.toContain("sh-");
});
