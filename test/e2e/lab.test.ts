import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preparedRegistry } from "../../scripts/images.ts";
import { type ExecResult, exec } from "../../src/sys/index.ts";
import { eventually, testLabName } from "../support/swarm.ts";

/** The lab's own command, as a person types it: a cluster on one machine, and its faults. */

const SHOAL = resolve(import.meta.dirname, "../../bin/shoal");
const name = testLabName("lab");
const url = (address: string) => `http://${address}:8080/`;
let images: string;

function shoal(...args: string[]): Promise<ExecResult> {
  return exec([SHOAL, "lab", ...args]);
}

/** Standard output of `shoal lab VERB --name <the lab> …`. */
async function lab(verb: string, ...args: string[]): Promise<string> {
  const result = await shoal(verb, "--name", name, ...args);
  expect(`${result.code} ${result.stderr}`, `shoal lab ${verb} ${args.join(" ")}`).toBe("0 ");
  return result.stdout.trim();
}

/** What a lab of this name has on the machine: namespaces, processes, mounts, folders, its subnet. */
async function tracesOf(lab: string): Promise<string[]> {
  const namespaces = readdirSync("/run/netns").filter((n) => n.startsWith(`lab-${lab}-`));
  const { stdout } = await exec(["pgrep", "-fa", `/shoal-lab/${lab}/`]);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`/shoal-lab/${lab}/`));
  const folders = [`/run/shoal-lab/${lab}`, `/var/lib/shoal-lab/${lab}`].filter((p) => existsSync(p));
  const claims = await exec(["find", "/var/lib/shoal-lab/.subnets", "-lname", lab]);
  return [...namespaces, ...stdout.split("\n"), ...mounts, ...folders, ...claims.stdout.split("\n")].filter(
    Boolean,
  );
}

/** The cgroups of these containers, in every hierarchy. */
function cgroupsOf(containers: readonly string[]): string[] {
  const root = "/sys/fs/cgroup";
  const parents = [root, ...readdirSync(root).map((name) => `${root}/${name}`)].map(
    (path) => `${path}/shoal`,
  );
  const paths = containers.flatMap((id) => parents.map((parent) => `${parent}/${id}`));
  return paths.filter((path) => existsSync(path));
}

/** The containers that a host has on its disk. */
function containersOf(host: string): string[] {
  return readdirSync(`/var/lib/shoal-lab/${name}/${host}/shoal/containers`);
}

/** A process that only its cgroup tells to be of a host's container: runc's own are so when their parents die. */
function orphanIn(host: string): ChildProcess {
  const orphan = spawn("sleep", ["600"], { stdio: "ignore" });
  // Ended containers have none any more.
  const [cgroups = []] = containersOf(host)
    .map((id) => cgroupsOf([id]))
    .filter((found) => found.length > 0);
  expect(cgroups).not.toEqual([]);
  for (const cgroup of cgroups) writeFileSync(`${cgroup}/cgroup.procs`, `${orphan.pid}`);
  return orphan;
}

/** Names of nodes that `docker node ls` calls this. */
async function nodesThatAre(state: "Ready" | "Down"): Promise<string[]> {
  const text = await lab("docker", "1", "node", "ls", "--format", "{{.Hostname}} {{.Status}}");
  return text
    .split("\n")
    .filter((line) => line.endsWith(` ${state}`))
    .map((line) => line.split(" ")[0] ?? "");
}

/** Running containers of the service that a host's own engine lists. */
async function runningOn(host: string): Promise<number> {
  const ids = await lab("docker", host, "ps", "-q", "--filter", "name=web");
  return ids.split("\n").filter(Boolean).length;
}

/** How many requests of ten from the outside client a host's published port answered. */
async function answered(host: string): Promise<number> {
  const address = await lab("ip", host);
  const urls = Array.from({ length: 10 }, () => url(address));
  const curl = ["curl", "-s", "--max-time", "3", "-H", "Connection: close", ...urls];
  const { stdout } = await shoal("exec", "--name", name, "client", "--", ...curl);
  return stdout.split("\n").filter((line) => line.includes("hostname")).length;
}

/** Every slot of the service has one running task, as the manager and as the hosts' engines say. */
async function threeReplicasInAll(): Promise<void> {
  await eventually(20_000, "three running tasks, one a slot, and as many containers", async () => {
    const format = "{{.Name}} {{.CurrentState}}";
    const tasks = await lab("docker", "1", "service", "ps", "web", "--format", format);
    const running = tasks.split("\n").filter((line) => line.includes(" Running "));
    expect(running.map((line) => line.split(" ")[0]).sort()).toEqual(["web.1", "web.2", "web.3"]);
    const counts = await Promise.all(["1", "2", "3"].map(runningOn));
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(3);
    return true;
  });
}

beforeAll(async () => {
  images = await preparedRegistry(() => undefined);
  const { code, stdout, stderr } = await shoal("up", "--swarm", "--name", name);
  expect(`${code} ${stderr}`).toBe("0 ");
  expect(stdout.split("\n").map((line) => line.split("\t")[1])).toEqual(["1", "2", "3", "client", undefined]);
});

afterAll(async () => {
  const containers = ["1", "2", "3"].flatMap(containersOf);
  expect(cgroupsOf(containers)).not.toEqual([]);
  await shoal("down", "--name", name);
  expect(await tracesOf(name)).toEqual([]);
  expect(cgroupsOf(containers)).toEqual([]);
  expect((await shoal("ls")).stdout).not.toContain(`${name}\t`);
});

test("up joins three hosts, and finds the prepared images by itself", async () => {
  expect(await nodesThatAre("Ready")).toHaveLength(3);
  await lab(
    "docker",
    "1",
    "service",
    "create",
    "-q",
    "--name",
    "web",
    "--replicas",
    "3",
    "-p",
    "8080:80",
    "shoal/probe",
  );
  expect(await answered("2")).toBe(10);
});

test("ls, ip, env and exec say where things are", async () => {
  const rows = (await shoal("ls")).stdout.split("\n").filter((line) => line.startsWith(`${name}\t`));
  expect(rows.map((row) => row.split("\t")[1])).toEqual(["1", "2", "3", "client"]);
  const address = await lab("ip", "2");
  expect(rows[1]).toBe(`${name}\t2\t${address}\tunix:///run/shoal-lab/${name}/2/docker.sock`);
  expect(await lab("env", "2")).toBe(`export DOCKER_HOST=unix:///run/shoal-lab/${name}/2/docker.sock`);
  expect(await lab("exec", "2", "--", "ip", "-o", "-4", "address", "show", "eth0")).toContain(
    `${address}/24`,
  );
});

test("the name may stand before the verb, after it, or at the end; other programs' words are left to them", async () => {
  const address = await lab("ip", "3");
  for (const words of [
    ["--name", name, "ip", "3"],
    [`--name=${name}`, "ip", "3"],
    ["ip", "3", "--name", name],
    ["ip", "--name", name, "3"],
  ]) {
    expect((await shoal(...words)).stdout.trim(), words.join(" ")).toBe(address);
  }
  const echoed = await shoal("--name", name, "exec", "client", "--", "echo", "--name", "x", "--");
  expect(echoed.stdout).toBe("--name x --\n");
  const volume = await lab("docker", "2", "volume", "create", "--name", "keep");
  expect(volume).toBe("keep");
});

test("a reader who leaves is no trouble", async () => {
  const child = spawn(SHOAL, ["lab", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  const said = child.stderr.setEncoding("utf8").toArray();
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(await said).toEqual([]);
});

test("a program's exit code is the command's", async () => {
  expect((await shoal("exec", "--name", name, "1", "--", "sh", "-c", "exit 7")).code).toBe(7);
  expect((await shoal("exec", "--name", name, "1", "--", "sh", "-c", "kill -9 $$")).code).toBe(137);
  expect((await shoal("docker", "--name", name, "1", "inspect", "nothing")).code).toBe(1);
});

test.each([
  [["frob"], 2, "there is no command lab frob: see shoal lab --help"],
  [["ip", "--name", name], 1, `say which host: hosts of lab ${name} are 1, 2, 3, client`],
  [["ip", "--name", name, "4"], 1, `lab ${name} has no host 4: it has 1, 2, 3, client`],
  [["ip", "--name", name, "1", "2"], 1, "too many words: 2"],
  [["kill", "--name", name, "client"], 1, `lab ${name} has no docker host client: it has 1, 2, 3`],
  [["docker", "--name", name, "client", "ps"], 1, `lab ${name} has no docker host client`],
  [["docker", "--name", name], 1, "say which host"],
  [["exec", "--name", name, "1", "--"], 1, "say which command"],
  [["pause", "--name", name, "1", "--hard"], 1, "Unknown option '--hard'"],
  [["cut", "--name", name, "1", "9"], 1, `lab ${name} has no host 9`],
  [["down", "--name", "nobody"], 1, "no lab named nobody is up: see shoal lab ls"],
  [["up", "--name", name], 1, `a lab named ${name} is up already: shoal lab down --name ${name}`],
  [["up", "--hosts", "many"], 1, "--hosts must be from 1 to 50"],
  [["up", "--name", testLabName("bad"), "--images", "/proc"], 1, "cannot serve images of /proc"],
])("wrong words get a sentence: %j", async (words, code, sentence) => {
  const result = await shoal(...words);
  expect(result.stderr).toContain(sentence);
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.code).toBe(code);
  expect(await tracesOf(testLabName("bad"))).toEqual([]);
});

test("labs that come up at the same time have subnets of their own", async () => {
  const twins = ["a", "b", "c"].map((letter) => testLabName(letter));
  const ups = await Promise.all(
    twins.map((twin) => shoal("up", "--name", twin, "--hosts", "1", "--images", "none")),
  );
  const addresses = ups.map((up) => up.stdout.split("\n")[0]?.split("\t")[2]);
  const downs = await Promise.all(twins.map((twin) => shoal("down", "--name", twin)));
  expect([...ups, ...downs].map((done) => done.stderr)).toEqual(["", "", "", "", "", ""]);
  expect(new Set(addresses).size).toBe(3);
  for (const twin of twins) expect(await tracesOf(twin)).toEqual([]);
});

test("a name is given once, also to those who ask at the same time", async () => {
  const twin = testLabName("once");
  const ups = await Promise.all(
    [1, 2, 3].map(() => shoal("up", "--name", twin, "--hosts", "1", "--images", "none")),
  );
  expect(ups.map((up) => up.code).sort()).toEqual([0, 1, 1]);
  expect(ups.filter((up) => up.code === 1).every((up) => up.stderr.includes("is up already"))).toBe(true);
  expect((await shoal("down", "--name", twin)).code).toBe(0);
  expect(await tracesOf(twin)).toEqual([]);
});

test.each([
  ["the switch is there", (twin: string) => existsSync(`/run/netns/lab-${twin}-switch`)],
  ["a containerd starts", (twin: string) => existsSync(`/run/shoal-lab/${twin}/2/containerd.pid`)],
  ["a shoald starts", (twin: string) => existsSync(`/run/shoal-lab/${twin}/1/shoald.pid`)],
  ["the swarm begins", (twin: string) => existsSync(`/var/lib/shoal-lab/${twin}/1/shoal/swarm/etcd`)],
])("Ctrl-C when %s leaves nothing", async (_, now) => {
  const twin = testLabName("cut");
  const up = spawn(SHOAL, ["lab", "up", "--name", twin, "--hosts", "2", "--swarm", "--images", images], {
    detached: true, // a process group of its own, as a shell gives it
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(up, "close");
  await eventually(20_000, "the moment", async () => now(twin));
  process.kill(-(up.pid ?? 0), "SIGINT");
  expect(await ended).toEqual([130, null]);
  expect(await tracesOf(twin)).toEqual([]);
});

test("down takes away what is left of half a lab", async () => {
  const half = testLabName("half");
  expect((await shoal("up", "--name", half, "--hosts", "2", "--images", "none")).code).toBe(0);
  expect((await shoal("kill", "--name", half, "2")).code).toBe(0);
  await exec(["ip", "netns", "delete", `lab-${half}-client`]);
  expect((await shoal("down", "--name", half)).stderr).toBe("");
  expect(await tracesOf(half)).toEqual([]);
});

test("two hosts cut off from each other still reach the rest", async () => {
  const [one, two, three] = await Promise.all(["1", "2", "3"].map((host) => lab("ip", host)));
  const reaches = async (from: string, to = "") =>
    (await shoal("exec", "--name", name, from, "--", "ping", "-c1", "-W1", to)).code === 0;
  await lab("cut", "2", "3");
  expect(await Promise.all([reaches("2", three), reaches("3", two)])).toEqual([false, false]);
  expect(await Promise.all([reaches("2", one), reaches("client", three)])).toEqual([true, true]);
  await lab("heal");
  expect(await Promise.all([reaches("2", three), reaches("3", two)])).toEqual([true, true]);
});

test("a host that is cut off is down, and ready with traffic through it once the cut is healed", async () => {
  await lab("cut", "3");
  await eventually(30_000, "host 3 is down", async () => {
    expect(await nodesThatAre("Down")).toEqual([`${name}-3`]);
    return true;
  });
  await eventually(10_000, "host 2 answers without it", async () => (await answered("2")) === 10);
  await lab("heal");
  await eventually(20_000, "all are ready", async () => (await nodesThatAre("Ready")).length === 3);
  await threeReplicasInAll();
  for (const host of ["1", "2", "3"]) {
    await eventually(10_000, `host ${host} answers`, async () => (await answered(host)) === 10);
  }
});

test("a paused host is down, and comes back without two tasks in a slot", async () => {
  await lab("docker", "1", "service", "update", "-q", "--force", "web"); // tasks on all three again
  expect(await runningOn("2")).toBe(1);
  await lab("pause", "2");
  await eventually(30_000, "host 2 is down", async () => {
    expect(await nodesThatAre("Down")).toEqual([`${name}-2`]);
    return true;
  });
  await eventually(15_000, "its task runs elsewhere", async () => {
    return (await runningOn("1")) + (await runningOn("3")) === 3;
  });
  await lab("resume", "2");
  await eventually(20_000, "all are ready", async () => (await nodesThatAre("Ready")).length === 3);
  await threeReplicasInAll();
  expect(await runningOn("2")).toBe(0);
  await eventually(10_000, "host 2 answers", async () => (await answered("2")) === 10);
});

test("kill --daemon leaves the containers; kill is a power cut; start brings either back", async () => {
  await lab("docker", "1", "service", "update", "-q", "--force", "web");
  const shims = async () => (await tracesOf(name)).filter((line) => line.includes("containerd-shim")).length;
  expect(await shims()).toBe(3);
  await lab("kill", "--daemon", "2");
  expect((await shoal("docker", "--name", name, "2", "ps")).stderr).toMatch(
    /Cannot connect to the Docker daemon/,
  );
  expect(await shims()).toBe(3);
  expect(await answered("2")).toBe(10);
  await lab("start", "2");
  expect(await runningOn("2")).toBe(1);
  const card = () => lab("exec", "2", "--", "ip", "-o", "-0", "address", "show", "eth0");
  const mac = async () => /ether (\S+)/.exec(await card())?.[1];
  const before = await mac();
  const orphan = orphanIn("2");
  const ended = once(orphan, "exit");
  await lab("kill", "2").finally(() => orphan.kill("SIGTERM"));
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await shims()).toBe(2);
  expect((await shoal("exec", "--name", name, "2", "--", "true")).stderr).toBe(
    `shoal: host 2 of lab ${name} is not up: shoal lab start 2\n`,
  );
  await lab("start", "2");
  expect(await mac()).toBe(before);
  await eventually(20_000, "all are ready", async () => (await nodesThatAre("Ready")).length === 3);
  await threeReplicasInAll();
});
