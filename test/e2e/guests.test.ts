import { afterAll, beforeAll, expect, test } from "vitest";
import { killDaemon, startHost } from "../../src/lab/index.ts";
import { type ExecResult, exec, systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";
import { serve, talkOverTcp } from "../support/traffic.ts";

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

/** Names of all containers made by hand that are on the network. */
async function guestsOf(host: string): Promise<string[]> {
  const [network] = JSON.parse(await swarm.docker(host, "network", "inspect", "-v", "front"));
  const tasks: { Name: string }[] = network.Services[""]?.Tasks ?? [];
  return tasks.map(({ Name }) => Name).sort();
}

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
  const hostname = await hostnameOf("2", "carol");
  await eventually(10_000, "its program listens", async () => {
    const said = await swarm.exec("1", "curl", "-sf", "--max-time", "3", `http://${swarm.ip("2")}:8081/`);
    return said.stdout.includes(hostname);
  });
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

test("a container that is renamed is found by its new name", async () => {
  await run("2", "grace", "--network", "front");
  await swarm.docker("2", "rename", "grace", "hopper");
  const hostname = await hostnameOf("2", "hopper");
  await eventually(5_000, "the other node knows", async () =>
    (await get("1", "alice", "hopper")).includes(hostname),
  );
  expect((await inside("1", "alice", "nslookup", "grace")).code).not.toBe(0);
  await swarm.docker("2", "rm", "-f", "hopper");
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

test("connections live through shoald's end and return on either side, and what came and went meanwhile is known", async () => {
  const netns = async (host: string, name: string) =>
    `/proc/${await inspect(host, name, "{{.State.Pid}}")}/ns/net`;
  const echo = await serve(await netns("2", "bob"), "echo", 7);
  const talk = await talkOverTcp(await netns("1", "alice"), "10.77.0.99", 7);
  try {
    await run("2", "mayfly", "--network", "front");
    const pid = await inspect("2", "mayfly", "{{.State.Pid}}");
    for (const host of ["2", "1"]) {
      await killDaemon(swarm.lab, host, systemClock);
      if (host === "2") process.kill(Number(pid), "SIGKILL");
      expect(await talk.ask(`${host} is away`)).toBe(`${host} is away`);
      await startHost(swarm.lab, host, hostParts);
      await eventually(30_000, "the nodes are ready", async () => {
        const nodes = await swarm.docker("1", "node", "ls", "--format", "{{.Status}}");
        return /^Ready\s+Ready$/.test(nodes);
      });
      expect(await talk.ask(`${host} is back`)).toBe(`${host} is back`);
    }
  } finally {
    talk.stop();
    echo.stop();
  }
  await eventually(10_000, "the dead one is no guest", async () => !(await guestsOf("1")).includes("mayfly"));
  expect(await guestsOf("1")).toEqual(["alice", "bob"]);
  expect(await addressOf("2", "bob")).toBe("10.77.0.99");
  expect(await get("1", "alice", "tools")).toContain(await hostnameOf("2", "bob"));
  await run("1", "late", "--network", "front");
  expect(await get("2", "bob", "late")).toContain(await hostnameOf("1", "late"));
  await swarm.docker("1", "rm", "-f", "late");
});

test("a stopped one has no address; started, it is there again under its names; a drained node keeps its own", async () => {
  await swarm.docker("2", "stop", "-t", "1", "bob");
  await eventually(10_000, "bob is no guest", async () => !(await guestsOf("1")).includes("bob"));
  const nodes = await swarm.docker("1", "node", "ls", "--filter", "role=worker", "-q");
  await swarm.docker("1", "node", "update", "--availability", "drain", nodes);
  await swarm.docker("2", "start", "bob");
  expect(await get("1", "alice", "tools")).toContain(await hostnameOf("2", "bob"));
  await swarm.docker("1", "node", "update", "--availability", "active", nodes);
});

test("network inspect shows the container on its node, and with verbose on the manager all of them", async () => {
  const format = "{{range .Containers}}{{.Name}} {{.IPv4Address}};{{end}}";
  const shown = await swarm.docker("2", "network", "inspect", "--format", format, "front");
  expect(shown).toContain("bob 10.77.0.99/24");
  expect(shown).not.toContain("alice");
  expect(await guestsOf("1")).toEqual(["alice", "bob"]);
  expect(await swarm.docker("2", "network", "ls", "--format", "{{.Name}}")).toContain("front");
});

test("a worker that leaves takes its containers off the network; they run on, on their node's own", async () => {
  await swarm.docker("2", "network", "connect", "bridge", "bob");
  await swarm.docker("2", "swarm", "leave");
  await eventually(10_000, "bob is no guest", async () => !(await guestsOf("1")).includes("bob"));
  const networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
  expect(await inspect("2", "bob", networks)).toBe("bridge");
  expect(await inspect("2", "bob", "{{.State.Running}}")).toBe("true");
  await swarm.docker("1", "rm", "-f", "alice");
  await swarm.docker("1", "service", "rm", "web");
  await eventually(20_000, "the network is free", async () => {
    return (await swarm.try("1", "network", "rm", "front")).code === 0;
  });
});
