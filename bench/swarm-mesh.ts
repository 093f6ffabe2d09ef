import type { ChildProcess } from "node:child_process";
import { release } from "node:os";
import { BALANCERS, planNetwork } from "../src/dataplane/index.ts";
import { hasIpvs } from "../src/kernel/index.ts";
import type { LinuxKernel } from "../src/kernel/linux-kernel.ts";
import { joinHosts, makeTestHost, type TestHost } from "../test/support/netns.ts";
import { type ClusterSketch, factsOf } from "../test/support/network-facts.ts";
import { answerAt, end, type Load, type LoadTimes, load } from "./http-load.ts";
import { median } from "./measure.ts";
import { startSwarmPair } from "./swarm-pair.ts";

/**
 * Our mesh against that of Docker's own Swarm, on one kernel, from one client, in a guest, whose kernel has IPVS:
 * `scripts/vm/run.sh --steady --mem 6000 --timeout 3000 -- npx tsx bench/swarm-mesh.ts`. Each way's figures are told as they come.
 *
 * Five hosts are network namespaces on one switch: two of ours, programmed by the product's own planner and kernel (no shoald: what it does
 * beside that is not in any packet's way), two with Debian's dockerd in Swarm mode, and the client. On either side the second host has
 * the task; the same HAProxy answers in all of them, the same wrk asks. The ways are taken in turns, Docker's daemons frozen meanwhile.
 */

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const SECONDS = Number(process.env.SECONDS ?? 1);
const EVERY_MS = Number(process.env.EVERY_MS ?? 20);
const PORT = 8090;
const STRAIGHT = 8190;
const TASK = "task-web11111";
const say = (line: string) =>
  void process.stderr.write(`swarm-mesh: ${line}, ${(performance.now() / 1000).toFixed(0)} s\n`);

const SKETCH: ClusterSketch = {
  nodes: 2,
  services: [
    { id: "web", vip: 5, networks: ["ingress"], ports: [{ protocol: "tcp", published: PORT, target: PORT }] },
  ],
  tasks: [{ id: "web11111", node: 2, number: 21, networks: ["ingress"], service: "web" }],
};

interface Way {
  readonly name: string;
  readonly url: string;
  /** Makes our network so before the way is measured. */
  readonly setting?: Setting;
}

interface Setting {
  readonly balancer: keyof typeof BALANCERS;
  readonly flowTables: boolean;
}

const OURS: readonly (Setting & { name: string })[] = [
  { name: "Shoal", balancer: "nftables", flowTables: true },
  { name: "Shoal, no flow tables", balancer: "nftables", flowTables: false },
  { name: "Shoal, IPVS", balancer: "ipvs", flowTables: true },
];

function waysOf(): Way[] {
  const url = (host: number, port = PORT) => `http://192.168.7.${host}:${port}/`;
  const [usual = [], ...others] = OURS.map(({ name, ...setting }): Way[] => [
    { name: `${name}, local task`, url: url(2), setting },
    { name: `${name}, remote task`, url: url(1), setting },
  ]);
  return [
    { name: "straight", url: url(2, STRAIGHT) },
    ...usual,
    { name: "Docker Swarm, local task", url: url(5) },
    { name: "Docker Swarm, remote task", url: url(4) },
    ...others.flat(),
  ];
}

async function apply(kernels: readonly LinuxKernel[], { balancer, flowTables }: Setting): Promise<void> {
  for (const [i, kernel] of kernels.entries()) {
    const wanted = planNetwork(factsOf(SKETCH, i + 1), {
      tag: "sh",
      balancer: BALANCERS[balancer],
      flowTables,
    });
    const { failures } = await kernel.apply(wanted);
    if (failures[0] !== undefined) throw new Error(failures[0].error);
  }
}

interface Measure extends Omit<Load, "url"> {
  readonly what: string;
  readonly of: (times: LoadTimes) => number;
  /** What is told beside a way's figure: how it compares with that of the straight way. */
  readonly beside: string;
  readonly compare: (value: number, straight: number) => string;
}

const SHARE = {
  beside: "of straight",
  compare: (value: number, straight: number) => (value / straight).toFixed(2),
};

/** What one visit of a way measures: eight kept connections, eight at a time that are new for each request, and one paced. */
const LOADS: readonly Measure[] = [
  { what: "requests a second", words: ["-c8"], of: ({ perSecond }) => perSecond, ...SHARE },
  {
    what: "connections a second",
    words: ["-c8", "-H", "Connection: close"],
    of: ({ perSecond }) => perSecond,
    ...SHARE,
  },
  {
    what: `one request every ${EVERY_MS} ms, p50 µs`,
    words: ["-c1"],
    everyMs: EVERY_MS,
    of: ({ p50Us }) => p50Us,
    beside: "added",
    compare: (value, straight) => (value - straight).toFixed(0),
  },
];

type Figures = readonly (readonly number[][])[];

async function measure(
  client: TestHost,
  kernels: readonly LinuxKernel[],
  ways: readonly Way[],
): Promise<Figures> {
  const prefix = ["nsenter", `--net=${client.path()}`, "--"];
  const figures = ways.map(() => LOADS.map((): number[] => []));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { url, setting }] of ways.entries()) {
      if (setting !== undefined) await apply(kernels, setting);
      for (const [j, { words, everyMs, of }] of LOADS.entries()) {
        const pace = everyMs === undefined ? {} : { everyMs };
        const times = await load(prefix, { url, words: [...words, `-d${SECONDS}s`], ...pace });
        figures[i]?.[j]?.push(of(times));
      }
      say(`${ways[i]?.name}: ${figures[i]?.map((of) => of.at(-1)?.toFixed(0)).join(", ")}`);
    }
    say(`round ${round + 1} of ${ROUNDS}`);
  }
  return figures;
}

function print(ways: readonly Way[], figures: Figures): void {
  const row = (cells: readonly string[]) => void process.stdout.write(`| ${cells.join(" | ")} |\n`);
  const kernel = `kernel ${release()}`;
  process.stdout.write(`${kernel}; medians of ${ROUNDS} rounds of ${SECONDS} s\n\n`);
  row(["way", ...LOADS.flatMap(({ what, beside }) => [what, beside])]);
  row(["---", ...LOADS.flatMap(() => ["---:", "---:"])]);
  const middle = figures.map((of) => of.map((values) => median(values)));
  for (const [i, { name }] of ways.entries()) {
    const cells = LOADS.flatMap(({ compare }, j) => {
      const value = middle[i]?.[j] ?? Number.NaN;
      return [value.toFixed(0), compare(value, middle[0]?.[j] ?? Number.NaN)];
    });
    row([name, ...cells]);
  }
}

async function withServers(taskOfSwarm: string, two: TestHost, work: () => Promise<void>): Promise<void> {
  const within = (path: string) => ["nsenter", `--net=${path}`, "--"];
  const servers: ChildProcess[] = [
    answerAt(within(two.path()), STRAIGHT),
    answerAt(within(two.path(TASK)), PORT),
    answerAt(within(taskOfSwarm), PORT),
  ];
  try {
    await work();
  } finally {
    for (const server of servers) await end(server);
  }
}

/** Servers take a moment to listen. Says which way answers, so that one that does not is known by name. */
async function firstAnswer(client: TestHost, { name, url }: Way): Promise<void> {
  const patience = ["--retry", "20", "--retry-connrefused", "--retry-delay", "1", "-m", "60"];
  await client.run(["curl", "-sS", ...patience, url]).catch((error: unknown) => {
    throw new Error(`cannot ask ${name}: ${error instanceof Error ? error.message : String(error)}`);
  });
  say(`${name} answers`);
}

/**
 * A task of ours sees the client's own address, by whichever host, and of two connections from one port the later gets another. That is not to be
 * measured here, where each host is called by turns: so the client calls the first by another address.
 */
async function callFirstByAnother(client: TestHost): Promise<void> {
  await client.run(["ip", "address", "add", "192.168.7.100/24", "dev", "eth0"]);
  await client.run(["ip", "route", "add", "192.168.7.1", "dev", "eth0", "src", "192.168.7.100"]);
}

async function main(): Promise<void> {
  if (!hasIpvs()) throw new Error("this kernel has no IPVS: run it in a guest, see docs/vm-lane.md");
  const hosts = await Promise.all(Array.from({ length: 5 }, makeTestHost));
  const [one, two, client, manager, worker] = hosts as [TestHost, TestHost, TestHost, TestHost, TestHost];
  const leave = await joinHosts(hosts);
  const kernels = [one.kernel(), two.kernel()];
  await callFirstByAnother(client);
  const swarm = await startSwarmPair([manager, worker], ["192.168.7.4", "192.168.7.5"], PORT, say);
  try {
    await apply(kernels, OURS[0] as Setting);
    const ways = waysOf();
    await withServers(swarm.task, two, async () => {
      for (const way of ways) await firstAnswer(client, way);
      swarm.freeze();
      print(ways, await measure(client, kernels, ways));
    });
  } finally {
    await swarm.dispose();
    for (const kernel of kernels) {
      await kernel.destroy();
      await kernel.close();
    }
    await leave();
    for (const host of hosts) await host.dispose();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
