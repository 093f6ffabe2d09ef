import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Balancer, type NetworkFacts, planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { connectTimes, serveByAddress, type Talk, tally } from "../support/traffic.ts";

/** A client on node 1, and `vote`, by VIP, with many tasks on node 2. */
const SKETCH: ClusterSketch = {
  nodes: 2,
  services: [{ id: "vote", vip: 5, networks: ["front"] }],
  tasks: [{ id: "client11", node: 1, number: 31, networks: ["front"], takes: false }],
};
const CROWD = 1000;

/** Node 1 is told of so many tasks of node 2: 10.0.64.0, 10.0.64.1, … */
function crowded(count: number): NetworkFacts {
  const facts = factsOf(SKETCH, 1);
  const rows = Array.from({ length: count }, (_, i) => ({
    taskId: `task-${i}`,
    serviceId: "vote",
    name: `vote.${i}`,
    nodeId: "node-2",
    addresses: { "front-network": `10.0.${64 + (i >> 8)}.${i & 255}` },
  }));
  return { ...facts, endpoints: rows, attachments: [...facts.attachments, ...rows] };
}

/** A thousand tasks of one service, whichever balancer the node has. */
export function describeCrowd(name: string, balancer: Balancer): void {
  describe(`a thousand tasks, balanced by ${name}`, () => {
    const hosts: TestHost[] = [];
    const kernels: Kernel[] = [];
    let server: Talk | undefined;
    let unplug = async () => {};
    const wanted = (count: number) => planNetwork(crowded(count), { tag: "sh", balancer });

    beforeAll(async () => {
      for (let i = 0; i < 2; i++) hosts.push(await makeTestHost());
      unplug = await joinHosts(hosts);
      kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
      await kernels[1]!.apply(planNetwork(factsOf(SKETCH, 2), { tag: "sh", balancer }));
      // One program answers for all tasks, in the sandbox of their node.
      await hosts[1]!.run(["ip", "route", "add", "local", "10.0.64.0/18", "dev", "lo"], "net-front-network");
      server = await serveByAddress(hosts[1]!.path("net-front-network"), 80);
    });

    afterAll(async () => {
      server?.stop();
      for (const kernel of kernels) await kernel.destroy();
      await unplug();
      for (const host of hosts) await host.dispose();
    });

    test("each gets its turn", async () => {
      expect((await kernels[0]!.apply(wanted(CROWD))).failures).toEqual([]);
      const counts = tally(await connectTimes(hosts[0]!.path("task-client11"), "10.0.1.5", 80, CROWD));
      expect(counts).toEqual(
        Object.fromEntries(
          crowded(CROWD).endpoints.map(({ addresses: { "front-network": to = "" } }) => [to, 1]),
        ),
      );
    });

    test("one more is a few steps, and so is one less", async () => {
      const more = await kernels[0]!.apply(wanted(CROWD + 1));
      expect(more.failures).toEqual([]);
      expect(more.changes).toBeLessThanOrEqual(4);
      expect(await kernels[0]!.sweep(wanted(CROWD + 1))).toEqual([]);
      const less = await kernels[0]!.apply(wanted(CROWD));
      expect(less.failures).toEqual([]);
      expect(less.changes).toBeLessThanOrEqual(5);
      expect(await kernels[0]!.sweep(wanted(CROWD))).toEqual([]);
    });
  });
}
