import { mkdir, rmdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killDaemon, killHost, startHost } from "../../src/lab/index.ts";
import { exec, systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** What must survive, and what must go: daemons killed, hosts lost. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("faults");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await swarm.service("web", "-p", "8080:80", "--replicas", "3", "--network", "front", "shoal/probe");
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

test("a shoald killed and started again keeps its containers, its network and its logs", async () => {
  const [before] = await swarm.containers("web", ["2"]);
  const url = `http://${swarm.ip("2")}:8080/`;
  const load = swarm.exec(
    "client",
    "sh",
    "-c",
    `for i in $(seq 200); do curl -s -o /dev/null -w '%{http_code}\\n' --max-time 3 ${url}; sleep 0.02; done`,
  );
  await killDaemon(swarm.lab, "2", systemClock);
  await swarm.inTask(before!, "wget", "-qO-", "http://127.0.0.1/while-away");
  await startHost(swarm.lab, "2", hostParts);
  const codes = (await load).stdout.trim().split("\n");
  expect(codes.filter((c) => c !== "200")).toEqual([]);
  const [after] = await eventually(10_000, "the container is listed again", async () => {
    const found = await swarm.containers("web", ["2"]);
    return found.length > 0 && found;
  });
  expect(after?.id).toBe(before?.id);
  expect(after?.pid).toBe(before?.pid);
  await eventually(10_000, "the request made meanwhile is in the logs", async () => {
    return (await swarm.docker("2", "logs", before!.id)).includes("/while-away");
  });
  await eventually(
    10_000,
    "the node is ready",
    async () => !(await swarm.docker("1", "node", "ls")).includes("Down"),
  );
});

test("a node whose disk is full stays in the swarm and takes work", async () => {
  // As good as a full disk: what shoald would write down first under these names cannot be written.
  const folder = `${swarm.hostPaths("2").data}/shoal/swarm`;
  const blocks = ["node.json.new", "assignments.json.new"].map((name) => `${folder}/${name}`);
  await killDaemon(swarm.lab, "2", systemClock);
  for (const block of blocks) await mkdir(block);
  await startHost(swarm.lab, "2", hostParts);
  const before = (await swarm.containers("web", ["2"])).length;
  await swarm.docker("1", "service", "scale", "-d", "web=6");
  await eventually(
    10_000,
    "the node runs more",
    async () => (await swarm.containers("web", ["2"])).length > before,
  );
  for (const block of blocks) await rmdir(block);
  await swarm.docker("1", "service", "scale", "-d", "web=3");
  await eventually(15_000, "three replicas run", async () => (await swarm.containers("web")).length === 3);
});

test("a manager's shoald killed and started again goes on deciding", async () => {
  await killDaemon(swarm.lab, "1", systemClock);
  await startHost(swarm.lab, "1", hostParts);
  await eventually(15_000, "scale works again", async () => {
    await swarm.docker("1", "service", "scale", "-d", "web=4");
    return true;
  });
  await eventually(15_000, "four replicas run", async () => (await swarm.containers("web")).length === 4);
  await swarm.docker("1", "service", "scale", "-d", "web=3");
  await eventually(15_000, "three replicas run", async () => (await swarm.containers("web")).length === 3);
});

test("a lost host's tasks run elsewhere, and no rule, route or name points at it any more", async () => {
  const dead = await swarm.containers("web", ["3"]);
  expect(dead.length).toBeGreaterThan(0);
  const addresses: string[] = [];
  for (const task of dead) {
    const { stdout } = await swarm.inTask(task, "ip", "-o", "-4", "addr");
    addresses.push(...(stdout.match(/\b10\.\d+\.\d+\.\d+(?=\/)/g) ?? []));
  }
  expect(addresses.length).toBeGreaterThan(0);
  await killHost(swarm.lab, "3", systemClock);
  await eventually(30_000, "the node is down", async () =>
    (await swarm.docker("1", "node", "ls")).includes("Down"),
  );
  await eventually(
    10_000,
    "three replicas run on the others",
    async () => (await swarm.containers("web", ["1", "2"])).length === 3,
  );
  await eventually(10_000, "nothing in the kernel names the dead tasks", async () => {
    const text = (await Promise.all(["1", "2"].map((host) => kernelText(host)))).join("\n");
    return addresses.every((a) => !new RegExp(`\\b${a.replaceAll(".", "\\.")}\\b`).test(text));
  });
  const answers = await Promise.all(
    Array.from({ length: 12 }, () =>
      swarm.exec(
        "client",
        "curl",
        "-sS",
        "--max-time",
        "3",
        "-o",
        "/dev/null",
        `http://${swarm.ip("1")}:8080/`,
      ),
    ),
  );
  expect(answers.map((a) => a.code)).toEqual(answers.map(() => 0));
});

/** All nft rules, routes and neighbours of a host and its sandboxes, as the kernel's tools print them. */
async function kernelText(host: string): Promise<string> {
  const { stdout: mounts } = await exec(["cat", "/proc/self/mountinfo"]);
  const run = swarm.hostPaths(host).run;
  const pinned = mounts
    .split("\n")
    .map((l) => l.split(" ")[4] ?? "")
    .filter((p) => p.startsWith(`${run}/`) && p.includes("netns/"));
  const spaces = [swarm.hostPaths(host).netns, ...pinned];
  const texts = await Promise.all(
    spaces.map(async (path) => {
      const run = (...argv: string[]) => exec(["nsenter", `--net=${path}`, "--", ...argv]);
      const parts = await Promise.all([
        run("nft", "list", "ruleset"),
        run("ip", "route", "show", "table", "all"),
        run("ip", "neighbour"),
      ]);
      return parts.map((p) => p.stdout).join("\n");
    }),
  );
  return texts.join("\n");
}

test("a host that comes back gets no work twice and is ready again", async () => {
  await startHost(swarm.lab, "3", hostParts);
  await eventually(
    20_000,
    "the node is ready",
    async () => !(await swarm.docker("1", "node", "ls")).includes("Down"),
  );
  await eventually(
    10_000,
    "still three replicas in all",
    async () => (await swarm.containers("web")).length === 3,
  );
  const { code } = await swarm.exec(
    "client",
    "curl",
    "-sS",
    "--max-time",
    "3",
    "-o",
    "/dev/null",
    `http://${swarm.ip("3")}:8080/`,
  );
  expect(code).toBe(0);
});
