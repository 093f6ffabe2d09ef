import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type NetworkFacts, planNetwork } from "../src/dataplane/index.ts";
import type { LinuxKernel } from "../src/kernel/linux-kernel.ts";
import { inside, openNetns } from "../src/kernel/netns.ts";
import { execOk } from "../src/sys/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../test/support/netns.ts";
import { type ClusterSketch, factsOf } from "../test/support/network-facts.ts";
import { openSender, openSink, sendOne, shakeHands } from "./datagrams.ts";
import { median } from "./measure.ts";

/**
 * What one packet costs, and what one stream is worth: `npx tsx bench/packet.ts`, as root; with flow tables and without in the VM, whose kernel
 * has them: RESULTS.md has the command ("One stream with flow tables").
 *
 * A packet is a datagram of 64 bytes, from `send` until it is in the other's socket: the sender's own processor walks all of the way
 * before `send` returns, as long as it has not so much to do that a thread of the kernel takes the rest over. Told is the fastest fifth of many
 * batches, and the median of that over the rounds, so that a busy machine hardly shows.
 */

const ROUNDS = Number(process.env.ROUNDS ?? 4);
const SECONDS = Number(process.env.SECONDS ?? 2);
const BATCHES = 100;
const BATCH = 60;
const PORT = 5201;
const STRAIGHT = 5301;

const SKETCH: ClusterSketch = {
  nodes: 2,
  services: [
    {
      ...{ id: "sink", vip: 5, networks: ["ingress", "front"] },
      ports: [
        { protocol: "udp", published: PORT, target: PORT },
        { protocol: "tcp", published: PORT, target: PORT },
      ],
    },
  ],
  tasks: [
    { id: "sink1111", node: 2, number: 21, networks: ["ingress", "front"], service: "sink" },
    { id: "client11", node: 1, number: 31, networks: ["front"], takes: false },
  ],
};
const TASK = "task-sink1111";

interface Way {
  readonly name: string;
  /** The namespace that it begins in, and where it leads. */
  readonly from: string;
  readonly address: string;
  readonly port: number;
  readonly sink: number;
  readonly sender: number;
}

/** A place in which sockets are made, by the path of its namespace. */
function at<T>(path: string, work: () => T): T {
  return inside(openNetns(path), work);
}

function waysOf([one, two, client]: readonly TestHost[]): Way[] {
  if (one === undefined || two === undefined || client === undefined)
    throw new Error("three hosts are needed");
  const sinks = {
    straight: at(two.path(), () => openSink("0.0.0.0", STRAIGHT)),
    ingress: at(two.path(TASK), () => openSink("10.0.0.21", PORT)),
    front: at(two.path(TASK), () => openSink("10.0.1.21", PORT)),
  };
  const way = (name: string, from: string, address: string, port: number, sink: number): Way => {
    return { name, from, address, port, sink, sender: at(from, () => openSender(address, port)) };
  };
  return [
    way("straight", client.path(), "192.168.7.2", STRAIGHT, sinks.straight),
    way("mesh, local task", client.path(), "192.168.7.2", PORT, sinks.ingress),
    way("mesh, remote task", client.path(), "192.168.7.1", PORT, sinks.ingress),
    way("container to container", one.path("task-client11"), "10.0.1.21", PORT, sinks.front),
  ];
}

/** Nanoseconds a packet. */
function costOf({ sender, sink }: Way): number {
  shakeHands(sender, sink);
  const times = Array.from({ length: BATCHES }, () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) sendOne(sender);
    return Number(process.hrtime.bigint() - start) / BATCH;
  });
  return times.sort((a, b) => a - b)[Math.floor(BATCHES / 5)] ?? Number.NaN;
}

/** Gbit/s of one TCP stream. */
async function streamOf({ from, address, port }: Way): Promise<number> {
  const words = ["-J", "-c", address, "-p", String(port), "-t", String(SECONDS)];
  const said = JSON.parse(await execOk(["nsenter", `--net=${from}`, "--", "iperf3", ...words]));
  return said.end.sum_received.bits_per_second / 1e9;
}

function streamServer(path: string, port: number): ChildProcess {
  return spawn("nsenter", [`--net=${path}`, "--", "iperf3", "-s", "-p", String(port)], { stdio: "ignore" });
}

interface Setting {
  readonly name: string;
  readonly flowTables: boolean;
  readonly packets: number[][];
  readonly streams: number[][];
}

/** The product's network, without the translation that only a task with a published UDP port has: most have none, as TCP needs none. */
async function apply(kernels: readonly LinuxKernel[], two: TestHost, flowTables: boolean): Promise<void> {
  for (const [i, kernel] of kernels.entries()) {
    const facts: NetworkFacts = factsOf(SKETCH, i + 1);
    const { failures } = await kernel.apply(planNetwork(facts, { tag: "sh", flowTables }));
    if (failures[0] !== undefined) throw new Error(failures[0].error);
  }
  await two.run(["nft", "add table ip sh-udp; delete table ip sh-udp"], TASK);
}

async function measure(hosts: readonly TestHost[], kernels: readonly LinuxKernel[]): Promise<Setting[]> {
  const has = (await kernels[0]?.lackOfFlowTables()) === "";
  const settings: Setting[] = [false, ...(has ? [true] : [])].map((flowTables) => ({
    ...{ name: flowTables ? "with flow tables" : "without flow tables", flowTables },
    ...{ packets: [[], [], [], []], streams: [[], [], [], []] },
  }));
  const [, two] = hosts;
  if (two === undefined) throw new Error("there is no second host");
  await apply(kernels, two, false);
  const ways = waysOf(hosts);
  const servers = [streamServer(two.path(TASK), PORT), streamServer(two.path(), STRAIGHT)];
  try {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (let round = 0; round < ROUNDS; round++)
      for (const { flowTables, packets, streams } of settings) {
        await apply(kernels, two, flowTables);
        for (const [i, way] of ways.entries()) packets[i]?.push(costOf(way));
        for (const [i, way] of ways.entries()) if (SECONDS > 0) streams[i]?.push(await streamOf(way));
      }
  } finally {
    for (const server of servers) await end(server);
  }
  print(ways, settings);
  return settings;
}

function print(ways: readonly Way[], settings: readonly Setting[]): void {
  const row = (cells: readonly string[]) =>
    process.stdout.write(`| ${cells.join(" | ")} |
`);
  row(["what", ...ways.map(({ name }) => name)]);
  row(["---", ...ways.map(() => "---")]);
  for (const { name, packets } of settings)
    row([`nanoseconds a packet, ${name}`, ...packets.map((of) => median(of).toFixed(0))]);
  for (const { name, streams } of SECONDS > 0 ? settings : []) {
    const speeds = streams.map(median);
    row([`one TCP stream, Gbit/s, ${name}`, ...speeds.map((speed) => speed.toFixed(2))]);
    row(["of straight", ...speeds.map((speed) => (speed / (speeds[0] ?? Number.NaN)).toFixed(2))]);
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function main(): Promise<void> {
  const hosts = [await makeTestHost(), await makeTestHost(), await makeTestHost()];
  const leave = await joinHosts(hosts);
  const kernels = hosts.slice(0, 2).map((host) => host.kernel());
  try {
    await measure(hosts, kernels);
  } finally {
    for (const kernel of kernels) {
      await kernel.destroy();
      await kernel.close();
    }
    await leave();
    for (const host of hosts) await host.dispose();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}
`);
  process.exitCode = 1;
});
