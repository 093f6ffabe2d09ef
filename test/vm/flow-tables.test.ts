import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { explain, type Trace } from "../../src/trace/index.ts";
import { describePackets } from "../kernel/packets.contract.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import { serve, type Talk, talkOverTcp } from "../support/traffic.ts";

/** With flow tables packets do what they do without: the same suite, and that the tables are used, and mended. */

describePackets("nftables, with flow tables", { flowTables: true });

const [FRONT, INGRESS] = ["net-front-network", "net-ingress-network"];
/** With `echo` published. */
const SKETCH: ClusterSketch = {
  ...TALKERS,
  services: [
    ...(TALKERS.services ?? []).filter(({ id }) => id !== "echo"),
    {
      ...{ id: "echo", vip: 6, networks: ["ingress", "front"] },
      ports: [{ protocol: "tcp", published: 8082, target: 80 }],
    },
  ],
  tasks: TALKERS.tasks.map((row) =>
    row.id === "echo1111" ? { ...row, networks: ["ingress", "front"] } : row,
  ),
};
const wantedBy = (node: number) => planNetwork(factsOf(SKETCH, node), { tag: "sh", flowTables: true });

describe("flow tables", () => {
  const hosts: TestHost[] = [];
  const kernels: Kernel[] = [];
  const servers: Talk[] = [];
  let unplug = async () => {};

  beforeAll(async () => {
    for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
    unplug = await joinHosts(hosts);
    for (const [i, host] of hosts.slice(0, 2).entries()) {
      kernels.push(host.kernel());
      expect((await kernels[i]!.apply(wantedBy(i + 1))).failures).toEqual([]);
    }
    for (const { id, node } of SKETCH.tasks)
      servers.push(await serve(hosts[node - 1]!.path(`task-${id}`), id, 80));
  });

  afterAll(async () => {
    for (const server of servers) server.stop();
    for (const kernel of kernels) await kernel.destroy();
    await unplug();
    for (const host of hosts) await host.dispose();
  });

  const devicesIn = async (host: TestHost, sandbox: string): Promise<string> =>
    /devices = \{ (.*) \}/.exec(await host.run(["nft", "list", "table", "inet", "sh-flow"], sandbox))?.[1] ??
    "";

  /** Connections that the flow table has, as conntrack(8) lists them. */
  const offloaded = async (host: TestHost, sandbox: string): Promise<string[]> =>
    (await host.run(["conntrack", "-L"], sandbox)).split("\n").filter((line) => line.includes("[OFFLOAD]"));

  test("the kernel is found to have them", async () => {
    expect(await kernels[0]!.lackOfFlowTables()).toBe("");
    expect(await hosts[0]!.run(["nft", "list", "tables"])).not.toContain("probe");
  });

  test("an established connection is in the flow tables of both its nodes, and no chain sees it then", async () => {
    const [one, two] = [hosts[0]!, hosts[1]!];
    const talk = await talkOverTcp(one.path("task-client11"), "10.0.1.6", 80);
    for (const word of ["one", "two", "three"]) expect(await talk.ask(word)).toBe(word);
    for (const host of [one, two])
      expect(await offloaded(host, FRONT!)).toEqual([expect.stringContaining("src=10.0.1.31")]);
    // Whoever passed the chain would be dropped.
    await one.run(
      ["nft", "insert", "rule", "inet", "sh-flow", "forward", "ip", "daddr", "10.0.1.32", "drop"],
      FRONT,
    );
    expect(await talk.ask("four")).toBe("four");
    await kernels[0]!.sweep(wantedBy(1));
    talk.stop();
  });

  test("a client of the other node is in the flow table there alone: where its task is, its entry node tells it from others", async () => {
    const talk = await talkOverTcp(hosts[2]!.path(), "192.168.7.1", 8082);
    for (const word of ["one", "two", "three"]) expect(await talk.ask(word)).toBe(word);
    expect(await offloaded(hosts[0]!, INGRESS!)).toEqual([expect.stringMatching("src=192.168.7.3.* mark=0")]);
    expect(await offloaded(hosts[1]!, INGRESS!)).toEqual([]);
    talk.stop();
  });

  test("what somebody takes out of a flow table, the table itself, or a device of it, comes back", async () => {
    const [host, kernel] = [hosts[0]!, kernels[0]!];
    const before = await devicesIn(host, FRONT!);
    expect(before).toBe("sh-tclient11, sh-tvote1111, sh-v4097");
    for (const damage of [
      "nft delete table inet sh-flow",
      "nft flush ruleset",
      "ip link delete sh-tvote1111",
    ]) {
      await host.run(damage.split(" ") as [string, ...string[]], FRONT);
      await kernel.sweep(wantedBy(1));
      expect(await devicesIn(host, FRONT!), damage).toBe(before);
      expect(await kernel.sweep(wantedBy(1)), damage).toEqual([]);
    }
  });

  test("a node that no more uses them has none", async () => {
    const without = planNetwork(factsOf(SKETCH, 1), { tag: "sh" });
    await kernels[0]!.apply(without);
    expect(await hosts[0]!.run(["nft", "list", "tables"], FRONT)).not.toContain("sh-flow");
    await kernels[0]!.apply(wantedBy(1));
    expect(await devicesIn(hosts[0]!, FRONT!)).not.toBe("");
  });

  test("a trace of the kernel tells what one of the plan tells", async () => {
    const wanted = wantedBy(1);
    const about = { facts: factsOf(SKETCH, 1), own: ["192.168.7.1"], listening: new Set<string>() };
    const pathsOf = ({ paths }: Trace) =>
      paths.map((path) => ({ ...path, verdict: JSON.stringify(path.verdict) }));
    for (const [client, destination] of [
      ["client11", "vote"],
      ["192.0.2.50", "192.168.7.1:8080"],
    ] as const) {
      const trace = explain(await kernels[0]!.observe(wanted), about, { client, destination });
      expect(pathsOf(trace)).toEqual(pathsOf(explain(wanted, about, { client, destination })));
      expect(trace.paths.flatMap(({ doubts }) => doubts)).toEqual([]);
    }
  });
});
