import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Removing things leaves nothing behind, and labs do not disturb each other. */

/** Everything in a host's kernel that a swarm could leave: devices, rules, routes, pinned namespaces. */
async function traces(swarm: TestSwarm, host: string): Promise<string[]> {
  const on = async (...argv: string[]) => (await swarm.exec(host, ...argv)).stdout;
  const links = (await on("ip", "-o", "link")).split("\n").map((l) => l.split(": ")[1]?.split("@")[0] ?? "");
  const tables = (await on("nft", "list", "tables")).split("\n");
  const rules = (await on("ip", "rule")).split("\n").filter((l) => !/lookup (local|main|default)/.test(l));
  const routes = (await on("ip", "route", "show", "table", "all"))
    .split("\n")
    .filter((l) => /^10\.|172\.18/.test(l));
  const run = swarm.hostPaths(host).run;
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((l) => l.split(" ")[4] ?? "")
    .filter((p) => p.startsWith(`${run}/`) || p.startsWith(swarm.hostPaths(host).data));
  return [...links, ...tables, ...rules, ...routes, ...mounts]
    .map((s) => s.trim())
    .filter(Boolean)
    .sort((a, b) => (a < b ? -1 : 1));
}

async function shimsOf(swarm: TestSwarm, host: string): Promise<number> {
  const { stdout } = await exec(["pgrep", "-fc", `containerd-shim.*${swarm.hostPaths(host).run}/`]);
  return Number(stdout);
}

test("service rm, network rm and leave leave no container, device, namespace, rule or route behind", async () => {
  await using swarm = await TestSwarm.up("clean", 2, { swarm: false });
  const before = await Promise.all(["1", "2"].map((host) => traces(swarm, host)));
  await swarm.docker("1", "swarm", "init", "--advertise-addr", swarm.ip("1"));
  const token = await swarm.docker("1", "swarm", "join-token", "-q", "worker");
  await swarm.docker("2", "swarm", "join", "--token", token, `${swarm.ip("1")}:2377`);
  const joined = await Promise.all(
    ["1", "2"].map((host) =>
      eventually(10_000, "the node's network settles", () => stable(() => traces(swarm, host))),
    ),
  );
  await swarm.docker("1", "network", "create", "-d", "overlay", "front");
  await swarm.service(
    "web",
    "-p",
    "8080:80",
    "--replicas",
    "4",
    "--network",
    "front",
    "--mount",
    "type=volume,source=keep,target=/keep",
    "shoal/probe",
  );
  await swarm.docker("1", "service", "rm", "web");
  await eventually(
    20_000,
    "the network can be removed",
    async () => (await swarm.try("1", "network", "rm", "front")).code === 0,
  );
  for (const [i, host] of ["1", "2"].entries()) {
    await eventually(20_000, `host ${host} is as it was before the service`, async () => {
      expect(await traces(swarm, host)).toEqual(joined[i]);
      expect(await shimsOf(swarm, host)).toBe(0);
      return true;
    });
  }
  expect(await swarm.docker("1", "volume", "ls", "-q")).toBe("keep");
  await swarm.docker("2", "swarm", "leave");
  await swarm.docker("1", "swarm", "leave", "--force");
  for (const [i, host] of ["1", "2"].entries()) {
    await eventually(10_000, `host ${host} is as it was before the swarm`, async () => {
      expect(await traces(swarm, host)).toEqual(before[i]);
      return true;
    });
  }
});

/** The value once it is the same twice in a row. */
async function stable(read: () => Promise<string[]>): Promise<string[] | undefined> {
  const [first, second] = [await read(), await read()];
  return JSON.stringify(first) === JSON.stringify(second) ? second : undefined;
}

test("two swarms with equal subnets on one machine do not disturb each other", async () => {
  await using one = await TestSwarm.up("twin1", 2);
  await using two = await TestSwarm.up("twin2", 2);
  for (const [swarm, name] of [
    [one, "one"],
    [two, "two"],
  ] as const) {
    await swarm.docker("1", "network", "create", "-d", "overlay", "--subnet", "10.77.0.0/24", "front");
    await swarm.service(
      "web",
      "-p",
      "8080:80",
      "--replicas",
      "2",
      "--hostname",
      name,
      "--network",
      "front",
      "shoal/probe",
    );
  }
  for (const [swarm, name] of [
    [one, "one"],
    [two, "two"],
  ] as const) {
    for (const host of ["1", "2"]) {
      const { stdout } = await swarm.exec(
        "client",
        "curl",
        "-sS",
        "--max-time",
        "5",
        `http://${swarm.ip(host)}:8080/`,
      );
      expect(JSON.parse(stdout).hostname).toBe(name);
    }
  }
  await one.docker("1", "service", "rm", "web");
  const { stdout } = await two.exec(
    "client",
    "curl",
    "-sS",
    "--max-time",
    "5",
    `http://${two.ip("2")}:8080/`,
  );
  expect(JSON.parse(stdout).hostname).toBe("two");
});
