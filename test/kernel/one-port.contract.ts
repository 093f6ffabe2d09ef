import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PlanSettings, planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { serve, type Talk, talkOverTcp } from "../support/traffic.ts";

/** A client calls from one port of his own by two nodes, and the only task is on a third: for the task both have one address and one port. */
const SKETCH: ClusterSketch = {
  nodes: 3,
  dual: true,
  services: [
    {
      id: "echo",
      vip: 6,
      networks: ["ingress"],
      ports: [{ protocol: "tcp", published: 8080, target: 80 }],
    },
  ],
  tasks: [{ id: "echo1111", node: 3, number: 21, networks: ["ingress"], service: "echo" }],
};
const CLIENT_PORT = 40_000;

const WAYS = {
  "two other nodes": [1, 2],
  "another node and the task's own": [1, 3],
} as const;

/** With flow tables where the kernel has them. */
export function describeOnePort(
  name: string,
  balancer: NonNullable<PlanSettings["balancer"]>,
  ways: readonly (keyof typeof WAYS)[],
): void {
  describe(`one port by two nodes, balanced by ${name}`, () => {
    const hosts: TestHost[] = [];
    const kernels: Kernel[] = [];
    const talks: Talk[] = [];
    let unplug = async () => {};

    beforeAll(async () => {
      for (let i = 0; i < 4; i++) hosts.push(await makeTestHost());
      unplug = await joinHosts(hosts);
      for (const [i, host] of hosts.entries())
        await host.run(["ip", "address", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad"]);
      kernels.push(...hosts.slice(0, 3).map((host) => host.kernel()));
      const flowTables = (await kernels[0]!.lackOfFlowTables()) === "";
      for (const [i, kernel] of kernels.entries()) {
        const wanted = planNetwork(factsOf(SKETCH, i + 1), { tag: "sh", balancer, flowTables });
        expect((await kernel.apply(wanted)).failures).toEqual([]);
        expect(await kernel.sweep(wanted)).toEqual([]);
      }
      talks.push(await serve(hosts[2]!.path("task-echo1111"), "echo1111", 80, "::"));
    });

    afterAll(async () => {
      for (const talk of talks) talk.stop();
      for (const kernel of kernels) await kernel.destroy();
      await unplug();
      for (const host of hosts) await host.dispose();
    });

    const FAMILIES = [
      ["IPv4", (node: number) => `192.168.7.${node}`],
      ["IPv6", (node: number) => `2001:db8::${node}`],
    ] as const;
    const rows = FAMILIES.flatMap(([family, addressOf]) =>
      ways.map((way) => [family, way, WAYS[way].map(addressOf)] as const),
    );
    let port = CLIENT_PORT;

    test.each(rows)("both connections live, over %s, by %s", async (_family, _way, addresses) => {
      port++;
      const both: Talk[] = [];
      for (const address of addresses) both.push(await talkOverTcp(hosts[3]!.path(), address, 8080, port));
      talks.push(...both);
      for (const round of ["once", "and again"])
        for (const [i, talk] of both.entries())
          expect(await talk.ask(`${round} by ${i}`)).toBe(`${round} by ${i}`);
    });
  });
}
