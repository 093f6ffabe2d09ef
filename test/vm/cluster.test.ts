import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onHost } from "../../src/lab/index.ts";
import { isWithin } from "../../src/lib/index.ts";
import { exec, execOk } from "../../src/sys/index.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";
import { countWire, heardBy } from "../support/wire-counters.ts";

/*
 * A whole cluster in the guest, with containers and the stock CLI, on what the machine's own kernel may lack: IPVS, ESP, and cgroups of
 * version 2 alone.
 */

const SHOAL = resolve(import.meta.dirname, "../../bin/shoal");
const HOSTS = ["1", "2"] as const;
/** Each has five addresses beside its gateway: the first's, which the CLI chooses, are the VIP's, the nodes', and those of some tasks. */
const SUBNETS = ["10.43.0.0/29", "10.44.0.0/29", "10.46.0.0/29"] as const;
const REPLICAS = 5;
/** An emulated machine is slow to begin with. */
const PATIENCE = 300_000;

let swarm: TestSwarm;

const docker = (...args: string[]) => swarm.docker("1", ...args);
const wireOf = (host: string) => ({
  run: (argv: readonly string[]) => execOk(onHost(swarm.lab, host, argv)),
});
const hostnameIn = (said: string) => /"hostname":\s*"(\w+)"/.exec(said)?.[1];
const create = (name: string, ...args: string[]) =>
  docker("network", "create", "-d", "overlay", ...args, name);

beforeAll(async () => {
  swarm = await TestSwarm.up("cluster", HOSTS.length, { settings: { balancer: "ipvs" } });
}, PATIENCE);

afterAll(() => swarm?.[Symbol.asyncDispose](), PATIENCE);

/** Asks until each replica has answered once. */
async function allAnswer(what: string, ask: () => Promise<string>): Promise<void> {
  const names = new Set<string>();
  await eventually(60_000, `${what} leads to every task`, async () => {
    const said = await ask();
    const name = hostnameIn(said);
    if (name === undefined) throw new Error(said);
    names.add(name);
    return names.size === REPLICAS || Promise.reject(new Error([...names].join(" ")));
  });
}

test(
  "IPVS balances a published port and a VIP over a network of several subnets",
  async () => {
    await create("wide", ...SUBNETS.flatMap((subnet) => ["--subnet", subnet]));
    await swarm.service(
      "web",
      ...["-p", "8080:80", "--network", "wide", "--replicas", `${REPLICAS}`, "shoal/probe"],
    );
    await swarm.service("asker", "--mode", "global", "--network", "wide", "shoal/probe");
    const [shown] = JSON.parse(await docker("network", "inspect", "--verbose", "wide"));
    const addresses: string[] = shown.Services.web.Tasks.map(
      (task: { EndpointIP: string }) => task.EndpointIP,
    );
    expect(addresses).toHaveLength(REPLICAS);
    const [{ Subnet: first }] = shown.IPAM.Config;
    expect(isWithin(shown.Services.web.VIP, first)).toBe(true);
    expect(addresses.filter((one) => !isWithin(one, first))).not.toEqual([]);
    for (const host of HOSTS) {
      const url = `http://${swarm.ip(host)}:8080/`;
      await allAnswer(url, async () => {
        const { stdout, stderr } = await swarm.exec("client", "curl", "-sS", "--max-time", "5", url);
        return `${stdout}${stderr}`;
      });
    }
    for (const asker of await swarm.containers("asker")) {
      await allAnswer(`the VIP on host ${asker.host}`, async () => {
        const { stdout, stderr } = await swarm.inTask(asker, "timeout", "5", "wget", "-qO-", "http://web/");
        return `${stdout}${stderr}`;
      });
      const trace = [SHOAL, "lab", "trace", "--name", swarm.lab.name, asker.host] as const;
      for (const [from, to] of [
        [asker.id.slice(0, 12), "web"],
        [swarm.ip("client"), `${swarm.ip(asker.host)}:8080`],
      ] as const) {
        const { stdout, stderr } = await exec([...trace, from, to]);
        expect(`${stdout}${stderr}`).toContain("IPVS service");
      }
    }
    await docker("service", "rm", "web", "asker");
  },
  PATIENCE,
);

test(
  "containers of two hosts speak on an encrypted network, and the wire has ESP only",
  async () => {
    for (const host of HOSTS) await countWire(wireOf(host));
    await create("dark", "--opt", "encrypted", "--subnet", "10.45.0.0/24");
    await swarm.service("sealed", "--mode", "global", "--network", "dark", "shoal/probe");
    const both = await swarm.containers("sealed");
    expect(both.map(({ host }) => host).sort()).toEqual([...HOSTS]);
    for (const from of both) {
      const other = both.find(({ host }) => host !== from.host)?.id.slice(0, 12) ?? "";
      await eventually(60_000, `host ${from.host}'s container reaches the other`, async () => {
        const script =
          "for at in $(nslookup -type=a tasks.sealed | sed -n 's/^Address.*: *\\(10\\.45.*\\)/\\1/p'); do timeout 5 wget -qO- http://$at/; done";
        const { stdout, stderr } = await swarm.inTask(from, "sh", "-c", script);
        return stdout.includes(`"${other}"`) || Promise.reject(new Error(`${stdout}${stderr}`));
      });
    }
    for (const host of HOSTS) {
      const { sealed, clear } = await heardBy(wireOf(host));
      expect(sealed).toBeGreaterThan(5);
      expect(clear).toBe(0);
    }
    await docker("service", "rm", "sealed");
  },
  PATIENCE,
);
