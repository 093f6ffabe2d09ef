import { afterAll, beforeAll, expect, test } from "vitest";
import { type TaskContainer, TestSwarm } from "../support/swarm.ts";

/**
 * Names as the resolvers that containers have find them: busybox's nslookup, and glibc's getent, which asks for both families as
 * resolv.conf says, and by TCP when an answer is cut.
 */

let swarm: TestSwarm;
/** Their AAAA records do not fit into 512 bytes. */
const REPLICAS = 20;

beforeAll(async () => {
  swarm = await TestSwarm.up("names", 1);
  const create = (...args: string[]) => swarm.docker("1", "network", "create", "-d", "overlay", ...args);
  await create("--ipv6", "--subnet", "fd00:1::/64", "front");
  await create("plain");
  const sleeps = ["busybox:latest", "sleep", "86400"];
  const both = ["--network", "front", "--network", "plain"];
  await Promise.all([
    swarm.service("web", "--network", "name=front,alias=www", "shoal/probe"),
    swarm.service("many", "--network", "front", "--replicas", String(REPLICAS), ...sleeps),
    swarm.service("old", "--network", "plain", "shoal/probe"),
    swarm.service("asker", ...both, ...sleeps),
    swarm.service("glibc", ...both, "redis:3.2"),
  ]);
});

afterAll(async () => {
  await swarm?.[Symbol.asyncDispose]();
});

async function inside(service: string, ...argv: string[]): Promise<{ stdout: string; code: number }> {
  const [task] = await swarm.containers(service);
  return swarm.inTask(task as TaskContainer, ...argv);
}

/** What nslookup says of a name: the lines after the server's. */
async function lookUp(type: string, name: string): Promise<string> {
  const { stdout } = await inside("asker", "nslookup", `-type=${type}`, name);
  return stdout.split(/\n\n(.*)/s)[1] ?? "";
}

const addressesIn = (text: string) =>
  [...text.matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map((m) => m[1] ?? "");

/** Addresses by which getent would connect to a name. */
async function hostsOf(database: "ahostsv4" | "ahostsv6" | "ahosts", name: string): Promise<string[]> {
  const { stdout } = await inside("glibc", "getent", database, name);
  return [...new Set(stdout.split("\n").flatMap((line) => /^(\S+)\s+STREAM/.exec(line)?.[1] ?? []))];
}

/** A service's VIPs on networks that tasks are put on, by family. */
async function vipsOf(service: string): Promise<{ four: string[]; six: string[] }> {
  const format = "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}";
  const text = await swarm.docker("1", "service", "inspect", "--format", format, service);
  const all = text.split(" ").map((address) => address.replace(/\/.*/, ""));
  return { four: all.filter((a) => a.includes(".")), six: all.filter((a) => a.includes(":")) };
}

test("nslookup has A and AAAA of services and aliases; a service without IPv6 has no AAAA and is known all the same", async () => {
  const { four, six } = await vipsOf("web");
  for (const name of ["web", "WWW", "web.front"]) {
    expect(addressesIn(await lookUp("a", name)), name).toEqual(four);
    expect(addressesIn(await lookUp("aaaa", name)), name).toEqual(six);
  }
  expect(addressesIn(await lookUp("a", "old"))).toEqual((await vipsOf("old")).four);
  const none = await lookUp("aaaa", "old");
  expect(none).not.toMatch(/NXDOMAIN|SERVFAIL/);
  expect(addressesIn(none)).toEqual([]);
});

test("addresses have their names in both families", async () => {
  // Without a type nslookup turns an address round itself.
  const nameOf = async (address: string) => (await inside("asker", "nslookup", address)).stdout;
  const { four, six } = await vipsOf("web");
  for (const address of [...four, ...six]) expect(await nameOf(address)).toContain("name = web.front");
  const [task = ""] = addressesIn(await lookUp("aaaa", "tasks.web"));
  expect(await nameOf(task)).toMatch(/name = web\.1\.\w+\.front/);
});

test("glibc finds both families, and none that is not there", async () => {
  const { four, six } = await vipsOf("web");
  expect(await hostsOf("ahostsv4", "web")).toEqual(four);
  expect(await hostsOf("ahostsv6", "web")).toEqual(six);
  expect((await hostsOf("ahosts", "web")).sort()).toEqual([...four, ...six].sort());
  expect(await hostsOf("ahosts", "old")).toEqual((await vipsOf("old")).four);
});

test("glibc has the whole of an answer that is cut, by TCP", async () => {
  const found = await hostsOf("ahostsv6", "tasks.many");
  expect(found.length).toBe(REPLICAS);
  for (const address of found) expect(address).toMatch(/^fd00:1::/);
});
