import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerEnv } from "../../src/lab/index.ts";
import { isWithin } from "../../src/lib/index.ts";
import { exec } from "../../src/sys/index.ts";
import { eventually, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/** What `docker network` words do: to addresses, to routes, to what a task may reach; and the ingress network made anew. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("nets");
});
afterAll(() => swarm?.[Symbol.asyncDispose]());

const docker = (...args: string[]) => swarm.docker("1", ...args);
const create = (...args: string[]) => docker("network", "create", "-d", "overlay", ...args);
const sleeper = ["busybox", "sleep", "1000"];

async function only(service: string): Promise<TaskContainer> {
  const [task] = await swarm.containers(service);
  if (task === undefined) throw new Error(`${service} has no container`);
  return task;
}

async function inside(service: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr, code } = await swarm.inTask(await only(service), ...argv);
  return code === 0 ? stdout : `exit ${code}: ${stderr}${stdout}`;
}

/** The CLI asks whether one is sure before it removes the ingress network. */
function removeIngress(name: string) {
  const env = { ...process.env, ...dockerEnv(swarm.lab, "1"), NAME: name };
  return exec(["sh", "-c", 'echo y | docker network rm "$NAME"'], { env });
}

const asks = async (host: string, port: number): Promise<string> => {
  const url = `http://${swarm.ip(host)}:${port}/`;
  return (await swarm.exec("client", "curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url))
    .stdout;
};

test("subnet, gateway, range and MTU are what tasks get", async () => {
  const words = ["--subnet", "10.40.0.0/16", "--gateway", "10.40.9.9", "--ip-range", "10.40.8.0/24"];
  await create(
    ...words,
    "--aux-address",
    "own=10.40.8.2",
    "-o",
    "com.docker.network.driver.mtu=1300",
    "ranged",
  );
  await swarm.service("in-range", "--network", "ranged", "--replicas", "2", ...sleeper);
  const addresses = await inside("in-range", "ip", "-o", "-4", "address");
  expect(addresses).toMatch(/ 10\.40\.8\.\d+\/16 /);
  expect(addresses).not.toContain("10.40.8.2/");
  // The envelope of the tunnel, 50 bytes, is taken off what the network's wire carries.
  expect(await inside("in-range", "ip", "-o", "link")).toContain("mtu 1250");
  const ipam = await docker("network", "inspect", "--format", "{{json .IPAM.Config}}", "ranged");
  expect(JSON.parse(ipam)).toEqual([
    {
      Subnet: "10.40.0.0/16",
      IPRange: "10.40.8.0/24",
      Gateway: "10.40.9.9",
      AuxiliaryAddresses: { own: "10.40.8.2" },
    },
  ]);
  await docker("service", "rm", "in-range");
});

test("a network without an address left: the task says which, runs once there is one, and others are not held up", async () => {
  // Eight addresses: the ends, the gateway, a VIP and the nodes' own leave too few for six tasks.
  await create("--subnet", "10.41.0.0/29", "small");
  await docker(
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "many",
    "--network",
    "small",
    "--replicas",
    "6",
    ...sleeper,
  );
  await eventually(20_000, "the tasks without an address say why", async () => {
    const rows = await swarm.ps("many", "{{.CurrentState}} {{.Error}}");
    return (
      rows.some((row) => /^(New|Pending) .*network small has no free address/.test(row)) ||
      Promise.reject(rows)
    );
  });
  const verbose = JSON.parse(await docker("network", "inspect", "--verbose", "small"))[0];
  expect(verbose.Status.IPAM.Subnets).toEqual({
    "10.41.0.0/29": { IPsInUse: 8, DynamicIPsAvailable: 0 },
  });
  expect(verbose.Services.many.VIP).toMatch(/^10\.41\.0\.\d$/);
  expect(verbose.Services.many.Tasks.length).toBeGreaterThan(0);
  const late = ["service", "create", "-d", "-q", "--name", "late", "--network", "small", ...sleeper];
  await docker(...late);
  await swarm.service("other", ...sleeper);
  expect(await swarm.containers("late")).toEqual([]);
  await docker("service", "rm", "many");
  await swarm.replicas("late", 1);
  await docker("service", "rm", "late", "other");
});

test("a service that outgrows its network's first subnet goes on in the next: one name, one VIP, over all hosts", async () => {
  const subnets = ["10.43.0.0/29", "10.44.0.0/29", "10.45.0.0/29"];
  await create(...subnets.flatMap((subnet) => ["--subnet", subnet]), "--gateway", "10.44.0.6", "wide");
  await swarm.service("spread", "--network", "wide", "--replicas", "5", "shoal/probe");
  await swarm.service("asker", "--network", "wide", ...sleeper);
  let tasks: string[] = [];
  await eventually(10_000, "the asker's node has heard of all five", async () => {
    const found = await inside("asker", "nslookup", "-type=a", "tasks.spread");
    const rows = [...found.matchAll(/^Address(?: \d+)?:\s*(10\.4[345]\.\S+)/gm)];
    tasks = rows.map(([, address]) => address ?? "");
    return tasks.length === 5 || Promise.reject(new Error(found));
  });
  const verbose = JSON.parse(await docker("network", "inspect", "--verbose", "wide"))[0];
  // The CLI says subnets in any order (command/network/create.go: it goes through a map).
  const config: { Subnet: string; Gateway: string }[] = verbose.IPAM.Config;
  expect(config.map(({ Subnet, Gateway }) => `${Subnet} ${Gateway}`).sort()).toEqual([
    ...["10.43.0.0/29 10.43.0.1", "10.44.0.0/29 10.44.0.6", "10.45.0.0/29 10.45.0.1"],
  ]);
  // The first one's five are the VIP's, the nodes' and some of the tasks': who asked first had them.
  const first = config[0]?.Subnet ?? "";
  expect(verbose.Status.IPAM.Subnets[first].DynamicIPsAvailable).toBe(0);
  expect(tasks.filter((address) => !isWithin(address, first))).not.toEqual([]);
  for (const address of tasks) {
    await eventually(10_000, `${address} answers`, async () => {
      const said = await inside("asker", "wget", "-q", "-O", "-", `http://${address}/`);
      return said.includes("hostname") || Promise.reject(new Error(said));
    });
    expect(await inside("asker", "nslookup", address)).toMatch(/spread\.\d\.\w+\.wide/);
  }
  const names = new Set<string>();
  await eventually(20_000, "the VIP leads to every task", async () => {
    names.add(
      /hostname\W+(\w+)/.exec(await inside("asker", "wget", "-q", "-O", "-", "http://spread/"))?.[1] ?? "",
    );
    return names.size === 5 || Promise.reject(new Error([...names].join(" ")));
  });
  await docker("service", "rm", "spread", "asker");
});

test("an internal network leads nowhere but to its tasks", async () => {
  await create("--internal", "closed");
  await swarm.service("shut", "--network", "closed", ...sleeper);
  await swarm.service("next", "--network", "closed", "shoal/probe");
  expect(await inside("shut", "ip", "route")).not.toContain("default");
  await eventually(10_000, "the other task answers", async () => {
    const said = await inside("shut", "wget", "-q", "-O", "-", "http://next/");
    return said.includes("hostname") || Promise.reject(new Error(said));
  });
  expect(await inside("shut", "ping", "-c", "1", "-W", "1", swarm.ip("client"))).toMatch(/^exit [12]/);
  await docker("service", "rm", "shut", "next");
});

test("prune removes what nobody uses; what is in use and the ingress network stay; inspect has the containers", async () => {
  for (const name of ["idle-1", "idle-2", "busy"]) await create("--label", `name=${name}`, name);
  await swarm.service("user", "--network", "busy", ...sleeper);
  const { host, id } = await only("user");
  const format = "{{range $id, $c := .Containers}}{{$id}} {{$c.IPv4Address}}{{end}}";
  const shown = await swarm.docker(host, "network", "inspect", "--format", format, "busy");
  const addresses = await inside("user", "ip", "-o", "-4", "address", "show", "eth0");
  expect(shown.split(" ")).toEqual([id, expect.stringMatching(/^10\./)]);
  expect(addresses).toContain(` ${shown.split(" ")[1]} `);
  const names = async () =>
    (await docker("network", "ls", "-q", "--filter", "label=name")).split("\n").length;
  expect(await docker("network", "prune", "-f", "--filter", "label=name=idle-1")).toContain("idle-1");
  expect(await names()).toBe(2);
  const pruned = await docker("network", "prune", "-f");
  expect(pruned).toContain("idle-2");
  expect(pruned).not.toMatch(/busy|ingress/);
  expect(await docker("network", "ls", "--format", "{{.Name}}")).toMatch(/^ingress$/m);
  await docker("service", "rm", "user");
});

test("the ingress network: in use it stays; gone, ports are refused; made anew with other words, the mesh is back", async () => {
  await swarm.service("web", "-p", "8090:80", "shoal/probe");
  expect((await removeIngress("ingress")).stderr).toContain("is in use by service");
  await docker("service", "rm", "web");
  await eventually(20_000, "the ingress network is removed", async () => {
    return (await removeIngress("ingress")).code === 0;
  });
  const refused = await swarm.try("1", "service", "create", "-d", "-p", "8090:80", "shoal/probe");
  expect(refused.stderr).toContain("service needs ingress network, but no ingress network is present");
  const words = ["--subnet", "10.42.0.0/24", "-o", "com.docker.network.driver.mtu=1400"];
  await create("--ingress", ...words, "my-ingress");
  const second = await swarm.try("1", "network", "create", "-d", "overlay", "--ingress", "another");
  expect(second.stderr).toContain("is already present");
  await swarm.service("web", "-p", "8090:80", "shoal/probe");
  for (const host of swarm.lab.hosts) {
    await eventually(
      10_000,
      `the port answers at host ${host}`,
      async () => (await asks(host, 8090)) === "200",
    );
  }
  expect(await inside("web", "ip", "-o", "-4", "address")).toMatch(/ 10\.42\.0\.\d+\/24 /);
  await docker("service", "rm", "web");
});

test("a firewall of others that drops what is forwarded: docker info warns, until it lets our devices through", async () => {
  const nft = async (...words: string[]) => expect((await swarm.exec("2", "nft", ...words)).stderr).toBe("");
  const said = async (host: string) =>
    (await swarm.try(host, "info", "--format", "{{json .Warnings}}")).stdout.trim();
  expect(await said("2")).toBe("null");
  await swarm.service("web", "-p", "8095:80", "shoal/probe");
  await eventually(10_000, "the port answers", async () => (await asks("2", 8095)) === "200");
  await nft(
    "add table ip strict; add chain ip strict pass { type filter hook forward priority 0; policy drop; }",
  );
  await eventually(30_000, "it is told", async () =>
    (await said("2")).includes("chain pass of nftables table ip strict"),
  );
  expect(await said("3")).toBe("null");
  expect(await asks("2", 8095)).toBe("000");
  await nft('add rule ip strict pass iifname "sh-*" accept; add rule ip strict pass oifname "sh-*" accept');
  expect(await asks("2", 8095)).toBe("200");
  await eventually(30_000, "it is no more told", async () => (await said("2")) === "null");
  await nft("delete table ip strict");
  await docker("service", "rm", "web");
});
