import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, type TaskContainer, TestSwarm } from "../support/swarm.ts";
import { askOverUdp, connectTimes, serve, sorted, type Talk } from "../support/traffic.ts";

/**
 * IPv6 with the stock CLI: networks with both families, VIPs, and IPv6 clients of published ports. Hosts are 2001:db8::1 to 3, the
 * client is 2001:db8::64. The probe speaks IPv4, so a server for both families is put into each task's network beside it.
 */

let swarm: TestSwarm;
const servers: Talk[] = [];
const CLIENT = "2001:db8::64";

const netns = (host: string) => swarm.hostPaths(host).netns;
const inspect = (what: string, format: string) => swarm.docker("1", "inspect", "--format", format, what);
const create = (...args: string[]) => swarm.docker("1", "network", "create", "-d", "overlay", ...args);

beforeAll(async () => {
  swarm = await TestSwarm.up("ipv6");
  for (const [host, address] of [...swarm.lab.hosts.map((h) => [h, `2001:db8::${h}`]), ["client", CLIENT]])
    await swarm.exec(host ?? "", "ip", "address", "add", `${address}/64`, "dev", "eth0", "nodad");
  await create("--ipv6", "--subnet", "fd00:1::/64", "front");
  await create("--ipv6", "own");
  const ports = ["-p", "8080:8090", "-p", "8080:8090/udp"];
  await Promise.all([
    swarm.service("web", ...ports, "--replicas", "3", "--network", "front", "shoal/probe"),
    swarm.service("asker", "--network", "front", "--network", "own", "shoal/probe"),
    swarm.service(
      "edge",
      "--mode",
      "global",
      "--publish",
      "published=9000,target=8090,mode=host",
      "shoal/probe",
    ),
  ]);
  for (const service of ["web", "edge"])
    for (const { pid, taskId } of await swarm.containers(service))
      servers.push(await serve(`/proc/${pid}/ns/net`, taskId.slice(0, 8), 8090, "::"));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  await swarm?.[Symbol.asyncDispose]();
});

async function asker(): Promise<TaskContainer> {
  const [task] = await swarm.containers("asker");
  if (task === undefined) throw new Error("asker has no container");
  return task;
}

/** A task's IPv6 address on a network, as `docker inspect` of its container tells it. */
async function addressOf(task: TaskContainer, network: string): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${network}").GlobalIPv6Address}}`;
  return swarm.docker(task.host, "inspect", "--format", format, task.id);
}

test("networks show both families; overlaps are refused with the other's name", async () => {
  expect(await inspect("front", "{{.EnableIPv6}} {{range .IPAM.Config}}{{.Subnet}} {{end}}")).toMatch(
    /^true 10\.0\.\d+\.0\/24 fd00:1::\/64 ?$/,
  );
  expect(await inspect("own", "{{range .IPAM.Config}}{{.Subnet}} {{end}}")).toMatch(/ fd[0-9a-f:]+\/64 ?$/);
  expect(await inspect("ingress", "{{.EnableIPv6}} {{len .IPAM.Config}}")).toBe("false 1");
  const refused = async (...args: string[]) => {
    const { code, stderr } = await swarm.try("1", "network", "create", "-d", "overlay", ...args);
    expect(code).not.toBe(0);
    return stderr;
  };
  expect(await refused("--ipv6", "--subnet", "fd00:1::/80", "other")).toContain("network front, fd00:1::/64");
  expect(await refused("--subnet", "fd00:9::/64", "other")).toContain("--ipv6");
});

test("containers have an address of the subnet, and services a VIP", async () => {
  const addresses = await Promise.all(
    (await swarm.containers("web")).map((task) => addressOf(task, "front")),
  );
  expect(new Set(addresses).size).toBe(3);
  for (const address of addresses) expect(address).toMatch(/^fd00:1::/);
  const vips = await inspect("web", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}");
  expect(vips).toMatch(/fd00:1::[0-9a-f]+\/64/);
});

test("names have both families", async () => {
  const from = await asker();
  const look = async (type: string, name: string) => {
    const { stdout } = await swarm.inTask(from, "nslookup", `-type=${type}`, name);
    const [, answer = ""] = stdout.split(/\n\n(.*)/s);
    return [...answer.matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map(([, address]) => address);
  };
  const vips = await inspect("web", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}");
  const [vip6] = await look("aaaa", "web");
  expect(vips).toContain(`${vip6}/64`);
  expect(await look("a", "web")).toHaveLength(1);
  const addresses = await Promise.all(
    (await swarm.containers("web")).map((task) => addressOf(task, "front")),
  );
  expect(sorted(await look("aaaa", "tasks.web"))).toEqual(sorted(addresses));
});

test("a container reaches all replicas by the VIP, and they see its address", async () => {
  const vips = await inspect("web", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}");
  const [, vip = ""] = /(fd00:1::[0-9a-f]+)\/64/.exec(vips) ?? [];
  const from = await asker();
  const own = await addressOf(from, "front");
  const answers = await connectTimes(`/proc/${from.pid}/ns/net`, vip, 8090, 30);
  const names = (await swarm.containers("web")).map(({ taskId }) => `${taskId.slice(0, 8)} ${own}`);
  expect(sorted(new Set(answers))).toEqual(sorted(names));
});

test("every host answers an IPv6 client at a published port, and tasks see the client's address", async () => {
  const names = (await swarm.containers("web")).map(({ taskId }) => `${taskId.slice(0, 8)} ${CLIENT}`);
  for (const host of swarm.lab.hosts) {
    const answers = await connectTimes(netns("client"), `2001:db8::${host}`, 8080, 30);
    expect(sorted(new Set(answers)), `host ${host}`).toEqual(sorted(names));
    const udp = await askOverUdp(netns("client"), `2001:db8::${host}`, 8080);
    expect(names).toContain(await udp.ask("?"));
    udp.stop();
  }
});

test("a port in host mode answers with the client's address kept", async () => {
  for (const { host, taskId } of await swarm.containers("edge")) {
    const answers = await connectTimes(netns("client"), `2001:db8::${host}`, 9000, 2);
    expect(new Set(answers)).toEqual(new Set([`${taskId.slice(0, 8)} ${CLIENT}`]));
  }
});

test("a replaced task takes its address along; the VIP leads to the new one", async () => {
  await swarm.docker("1", "service", "scale", "-d", "web=1");
  await swarm.replicas("web", 1);
  await eventually(20_000, "one container is left", async () => (await swarm.containers("web")).length === 1);
  const [left] = await swarm.containers("web");
  const answers = await connectTimes(netns("client"), "2001:db8::2", 8080, 10);
  expect(new Set(answers)).toEqual(new Set([`${left?.taskId.slice(0, 8)} ${CLIENT}`]));
});
