import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExecResult } from "../../src/sys/index.ts";
import { exec } from "../../src/sys/index.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";

/**
 * Containers made by hand on an attachable overlay, one on the manager and one on a worker, by the stock docker CLI: with each other, with
 * a service, published, over a restart of shoald.
 */

let swarm: TestSwarm;

const SUBNET = "10.77.0.0/24";

beforeAll(async () => {
  swarm = await TestSwarm.up("guests", 2);
  const create = (...args: string[]) => swarm.docker("1", "network", "create", "-d", "overlay", ...args);
  await create("--attachable", "--subnet", SUBNET, "front");
  await create("shut");
  await swarm.service("web", "--network", "front", "--replicas", "2", "shoal/probe");
  await run("1", "alice", "--network", "front");
  await run("2", "bob", "--network", "front", "--network-alias", "tools", "--ip", "10.77.0.99");
});

afterAll(async () => {
  await swarm?.[Symbol.asyncDispose]();
});

/** A server that says its container's host name. */
function run(host: string, name: string, ...args: string[]): Promise<string> {
  return swarm.docker(host, "run", "-d", "--name", name, ...args, "shoal/probe");
}

async function inside(host: string, name: string, ...argv: string[]): Promise<ExecResult> {
  const pid = await swarm.docker(host, "inspect", "--format", "{{.State.Pid}}", name);
  return exec(["nsenter", "-t", pid, "-n", "-m", "--", ...argv]);
}

const get = async (host: string, name: string, url: string): Promise<string> =>
  (await inside(host, name, "timeout", "2", "wget", "-qO-", `http://${url}/`)).stdout;

const inspect = async (host: string, name: string, format: string) =>
  swarm.docker(host, "inspect", "--format", format, name);

const addressOf = (host: string, name: string) =>
  inspect(host, name, "{{.NetworkSettings.Networks.front.IPAddress}}");
const hostnameOf = (host: string, name: string) => inspect(host, name, "{{.Config.Hostname}}");

test("they reach each other by name, alias, short id and address, on the manager and on the worker", async () => {
  expect(await addressOf("2", "bob")).toBe("10.77.0.99");
  const [alice, bob] = [await hostnameOf("1", "alice"), await hostnameOf("2", "bob")];
  const id = (await inspect("2", "bob", "{{.Id}}")).slice(0, 12);
  for (const name of ["bob", "tools", id, "10.77.0.99", "bob.front"])
    expect(await get("1", "alice", name), name).toContain(bob);
  for (const name of ["alice", await addressOf("1", "alice")])
    expect(await get("2", "bob", name), name).toContain(alice);
});

test("they reach a service by its VIP and its tasks, and its tasks reach them by name", async () => {
  const tasks = await swarm.containers("web");
  const hostnames = await Promise.all(tasks.map(({ host, id }) => hostnameOf(host, id)));
  for (const [host, name] of [
    ["1", "alice"],
    ["2", "bob"],
  ] as const) {
    const heard = new Set<string>();
    await eventually(10_000, `${name} hears both tasks`, async () => {
      const said = await get(host, name, "web");
      for (const each of hostnames) if (said.includes(each)) heard.add(each);
      return heard.size === 2;
    });
  }
  for (const task of tasks)
    for (const [host, name] of [
      ["1", "alice"],
      ["2", "bob"],
    ] as const) {
      const { stdout } = await swarm.inTask(task, "timeout", "2", "wget", "-qO-", `http://${name}/`);
      expect(stdout).toContain(await hostnameOf(host, name));
    }
});

test("a published port leads to it; rm gives its address free, and its name is gone", async () => {
  await run("2", "carol", "--network", "front", "-p", "8081:80");
  const said = await swarm.exec("1", "curl", "-sf", "--max-time", "3", `http://${swarm.ip("2")}:8081/`);
  expect(said.stdout).toContain(await hostnameOf("2", "carol"));
  const held = await addressOf("2", "carol");
  await swarm.docker("2", "rm", "-f", "carol");
  await eventually(10_000, "carol's address is free", async () => {
    await run("1", "dave", "--network", "front", "--ip", held).catch(() =>
      swarm.try("1", "rm", "-f", "dave"),
    );
    return (await swarm.try("1", "inspect", "dave")).code === 0;
  });
  expect(await addressOf("1", "dave")).toBe(held);
  expect((await inside("2", "bob", "nslookup", "carol")).code).not.toBe(0);
  await swarm.docker("1", "rm", "-f", "dave");
});

test("a network is connected while a container runs, on the worker by a name it does not know yet, and disconnected", async () => {
  await swarm.docker("1", "network", "create", "-d", "overlay", "--attachable", "back");
  await run("2", "erin");
  await run("1", "frank", "--network", "back");
  await swarm.docker("2", "network", "connect", "--alias", "db", "back", "erin");
  expect(await get("1", "frank", "db")).toContain(await hostnameOf("2", "erin"));
  expect(await get("2", "erin", "frank")).toContain(await hostnameOf("1", "frank"));
  await swarm.docker("2", "network", "disconnect", "back", "erin");
  await eventually(
    10_000,
    "the name is gone",
    async () => (await inside("1", "frank", "nslookup", "db")).code !== 0,
  );
  await swarm.docker("2", "rm", "-f", "erin");
  await swarm.docker("1", "rm", "-f", "frank");
  await eventually(10_000, "the network is free", async () => {
    return (await swarm.try("1", "network", "rm", "back")).code === 0;
  });
});

test("what cannot be is refused in Docker's words", async () => {
  const refusal = async (host: string, ...args: string[]) => {
    const { code, stderr } = await swarm.try(host, "run", "-d", "--name", "nobody", ...args, "shoal/probe");
    await swarm.try(host, "rm", "-f", "nobody");
    expect(code).not.toBe(0);
    return stderr;
  };
  for (const host of ["1", "2"]) {
    expect(await refusal(host, "--network", "shut")).toContain(
      "Could not attach to network shut: rpc error: code = PermissionDenied desc = network shut not manually attachable",
    );
    expect(await refusal(host, "--network", "nope")).toContain("network nope not found");
    expect(await refusal(host, "--network", "front", "--ip", "10.77.0.99")).toContain(
      "Address already in use",
    );
  }
  const removal = await swarm.try("1", "network", "rm", "front");
  expect(removal.stderr).toMatch(/is in use by/);
});

test("network inspect shows the container on its node, and with verbose on the manager all of them", async () => {
  const format = "{{range .Containers}}{{.Name}} {{.IPv4Address}};{{end}}";
  const shown = await swarm.docker("2", "network", "inspect", "--format", format, "front");
  expect(shown).toContain("bob 10.77.0.99/24");
  expect(shown).not.toContain("alice");
  const verbose = JSON.parse(await swarm.docker("1", "network", "inspect", "-v", "front"));
  const names = verbose[0].Services[""].Tasks.map(({ Name }: { Name: string }) => Name);
  expect(names.sort()).toEqual(["alice", "bob"]);
  expect(await swarm.docker("2", "network", "ls", "--format", "{{.Name}}")).toContain("front");
});
