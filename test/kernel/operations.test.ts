import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NetworkFacts, planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { EMPTY_NAMESPACE, HOST, type NodeNetwork } from "../../src/netstate/index.ts";
import { exec } from "../../src/sys/index.ts";
import { type KernelState, kernelState } from "../support/kernel-state.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import {
  type ClusterSketch,
  factsOf,
  type ServiceSketch,
  type TaskSketch,
} from "../support/network-facts.ts";

/**
 * Two hundred random operations on a cluster of three hosts with traffic in it; after each the kernel of every host is what the same
 * NodeNetwork makes of a host that had nothing, and no connection leads to a task that is gone or drained.
 */

const OPERATIONS = 200;
const NODES = 3;

const tcp = { protocol: "tcp", published: 8080, target: 80 } as const;
const udp = { protocol: "udp", published: 8053, target: 53 } as const;
const SERVICES: readonly ServiceSketch[] = [
  { id: "web", vip: 5, networks: ["ingress", "front"], ports: [tcp, udp] },
  { id: "api", vip: 6, networks: ["front", "back"] },
  { id: "db", vip: 7, networks: ["back"] },
];

/** The cluster as it is now. */
interface Cluster {
  readonly members: ReadonlySet<number>;
  readonly networks: ReadonlySet<string>;
  /** Ids of services, and whether their ports are published. */
  readonly services: ReadonlyMap<string, boolean>;
  readonly tasks: readonly TaskSketch[];
}

const EMPTY: Cluster = {
  members: new Set([1, 2, 3]),
  networks: new Set(["ingress", "front", "back"]),
  services: new Map(SERVICES.map(({ id }) => [id, true])),
  tasks: [],
};

type Step = readonly [kind: keyof typeof STEPS, a: number, b: number];

const pick = <T>(rows: readonly T[], seed: number): T | undefined => rows[seed % Math.max(1, rows.length)];
const toggled = <T>(set: ReadonlySet<T>, item: T): Set<T> =>
  new Set(set.has(item) ? [...set].filter((other) => other !== item) : [...set, item]);

/** Addresses are given out in turn, so that a freed one rests and then has a new owner. */
let given = 0;

function come(cluster: Cluster, a: number, b: number): Cluster {
  const service = pick(
    SERVICES.filter(({ id }) => cluster.services.has(id)),
    a,
  );
  const node = pick([...cluster.members], b);
  if (service === undefined || node === undefined || cluster.tasks.length > 7) return cluster;
  const networks = service.networks.filter((name) => cluster.networks.has(name));
  const numbers = new Set(cluster.tasks.map(({ number }) => number));
  do given++;
  while (numbers.has(20 + (given % 12)));
  const id = `t${String(given).padStart(7, "0")}`;
  const task = { id, node, number: 20 + (given % 12), networks, service: service.id, takes: b % 3 !== 0 };
  return { ...cluster, tasks: [...cluster.tasks, task] };
}

const changed = (cluster: Cluster, a: number, change: (task: TaskSketch) => TaskSketch[]): Cluster => {
  const chosen = pick(cluster.tasks, a);
  return { ...cluster, tasks: cluster.tasks.flatMap((task) => (task === chosen ? change(task) : [task])) };
};

const STEPS = {
  come,
  /** Stops in peace: first it takes nothing more, later it goes. */
  drain: (cluster: Cluster, a: number) => changed(cluster, a, (task) => [{ ...task, takes: false }]),
  ready: (cluster: Cluster, a: number) => changed(cluster, a, (task) => [{ ...task, takes: true }]),
  /** Goes at once, from the balancers and from its host. */
  fail: (cluster: Cluster, a: number) => changed(cluster, a, () => []),
  /** Another one elsewhere takes its place and its address at once. */
  move: (cluster: Cluster, a: number, b: number) =>
    changed(cluster, a, (task) => {
      given++;
      const id = `t${String(given).padStart(7, "0")}`;
      return [{ ...task, id, node: pick([...cluster.members], b) ?? task.node }];
    }),
  /** A node goes with its tasks, or comes. */
  node: (cluster: Cluster, a: number) => {
    const members = toggled(cluster.members, 1 + (a % NODES));
    if (members.size === 0) return cluster;
    return { ...cluster, members, tasks: cluster.tasks.filter(({ node }) => members.has(node)) };
  },
  /** A network goes with the tasks on it, or comes. */
  network: (cluster: Cluster, a: number) => {
    const name = pick(["front", "back"], a) ?? "";
    const tasks = cluster.tasks.filter(({ networks }) => !networks.some((other) => other === name));
    return { ...cluster, networks: toggled(cluster.networks, name), tasks };
  },
  publish: (cluster: Cluster, a: number) => {
    const id = pick([...cluster.services.keys()], a);
    if (id === undefined) return cluster;
    return { ...cluster, services: new Map([...cluster.services, [id, !cluster.services.get(id)]]) };
  },
  service: (cluster: Cluster, a: number) => {
    const { id = "" } = pick(SERVICES, a) ?? {};
    const services = new Map([...cluster.services].filter(([other]) => other !== id));
    if (!cluster.services.has(id)) services.set(id, true);
    return { ...cluster, services, tasks: cluster.tasks.filter(({ service }) => service !== id) };
  },
} satisfies Record<string, (cluster: Cluster, a: number, b: number) => Cluster>;

const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant("come" as const) },
    { weight: 8, arbitrary: fc.constantFrom("drain", "ready", "fail", "move") },
    { weight: 3, arbitrary: fc.constantFrom("node", "network", "publish", "service") },
  ),
  fc.nat(1000),
  fc.nat(1000),
) as fc.Arbitrary<Step>;

/** What node `self` is told, without nodes and networks that are not there. */
function told({ members, networks, services, tasks }: Cluster, self: number): NetworkFacts {
  const sketch: ClusterSketch = {
    nodes: NODES,
    dual: true,
    tasks,
    services: SERVICES.filter(({ id }) => services.has(id)).map((row) => ({
      ...row,
      networks: row.networks.filter((name) => networks.has(name)),
      ports: services.get(row.id) ? (row.ports ?? []) : [],
    })),
  };
  const facts = factsOf(sketch, self);
  const here = (id: string) => networks.has(id.replace("-network", ""));
  const nodes = facts.nodes
    .filter((_, i) => members.has(i + 1))
    .map((node) => ({
      ...node,
      addresses: Object.fromEntries(Object.entries(node.addresses).filter(([id]) => here(id))),
    }));
  return { ...facts, nodes, networks: facts.networks.filter(({ id }) => here(id)) };
}

const NOTHING: NodeNetwork = { namespaces: { [HOST]: EMPTY_NAMESPACE } };
const wantedOf = (cluster: Cluster, self: number): NodeNetwork =>
  cluster.members.has(self) ? planNetwork(told(cluster, self), { tag: "sh" }) : NOTHING;

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
let spare: TestHost;
let spareKernel: Kernel;
let unplug = async () => {};

beforeAll(async () => {
  for (let i = 0; i < NODES; i++) hosts.push(await makeTestHost());
  spare = await makeTestHost();
  spareKernel = spare.kernel();
  unplug = await joinHosts(hosts);
  kernels.push(...hosts.map((host) => host.kernel()));
});

afterAll(async () => {
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of [...hosts, spare]) await host.dispose();
});

/** The same on a host that had nothing. */
async function freshly(wanted: NodeNetwork): Promise<KernelState> {
  try {
    expect((await spareKernel.apply(wanted)).failures).toEqual([]);
    return await kernelState(spare);
  } finally {
    await spareKernel.destroy();
  }
}

/** Datagrams from every host's tasks to every VIP and port, so that there are connections to forget. */
async function speak({ tasks, services, networks }: Cluster): Promise<void> {
  const lines = SERVICES.filter(({ id }) => services.has(id)).flatMap(({ vip, networks: on }) =>
    on.filter((name) => networks.has(name)).map((name) => `10.0.${name === "front" ? 1 : 2}.${vip}`),
  );
  const send = (to: string, port: number) => `echo x > /dev/udp/${to}/${port}`;
  const script = ["exec 2>/dev/null", ...lines.map((to) => send(to, 53)), "true"].join("\n");
  for (const { id, node } of tasks) {
    const at = hosts[node - 1]?.path(`task-${id}`) ?? "";
    await exec(["nsenter", `--net=${at}`, "--", "bash", "-c", script]);
  }
  const outside = `for i in 1 2 3; do ${send("192.168.7.1", 8053)}; done; true`;
  await exec(["nsenter", `--net=${hosts[1]?.path()}`, "--", "bash", "-c", outside]);
}

/** Connections of a host's networks whose answers would come from an address that nobody has, or UDP that nobody takes. */
async function staleConnections(
  host: TestHost,
  cluster: Cluster,
  spaces: readonly string[],
): Promise<string[]> {
  const addresses = (tasks: readonly TaskSketch[]) => new Set(tasks.map(({ number }) => number));
  const there = addresses(cluster.tasks);
  const takes = addresses(cluster.tasks.filter(({ takes }) => takes));
  const found: string[] = [];
  for (const space of spaces.filter((name) => name.startsWith("net-"))) {
    const listing = await host.run(["conntrack", "-L"], space);
    for (const line of listing.split("\n")) {
      // Only what a balancer has translated: the first packet went to one address, the answer comes from another.
      const [, , to = "", from = ""] = /src=(\S+) dst=(\S+) .*?src=(\S+) /.exec(line)?.slice(0) ?? [];
      const last = Number(from.split(".")[3]);
      if (to === from || !/^10\.0\.[012]\.(2\d|3[01])$/.test(from)) continue;
      if (!there.has(last) || (line.startsWith("udp") && !takes.has(last))) found.push(`${space}: ${line}`);
    }
  }
  return found;
}

/** Whether some task speaks to a service and is heard, so that a balancer has a connection to remember. */
const isHeard = ({ tasks, networks }: Cluster): boolean =>
  (["front", "back"] as const).some(
    (name) => networks.has(name) && tasks.some((task) => task.takes && task.networks.includes(name)),
  );

/** Connections that the hosts' networks remember. */
async function remembered(): Promise<number> {
  const nets = ["net-front-network", "net-back-network"];
  const counts = hosts.flatMap((host) =>
    nets.map((net) => host.run(["conntrack", "-C"], net).catch(() => "0")),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + Number(count), 0);
}

test(`after each of ${OPERATIONS} random operations the kernels are as if they were made anew`, {
  timeout: 1_800_000,
}, async () => {
  let heard = 0;
  const steps = fc.array(anyStep, { minLength: OPERATIONS, maxLength: OPERATIONS });
  const run = async (drawn: readonly Step[]) => {
    let cluster = EMPTY;
    for (const [i, [kind, a, b]] of drawn.entries()) {
      cluster = STEPS[kind](cluster, a, b);
      const what = `operation ${i}: ${kind} ${a} ${b}`;
      for (const [h, kernel] of kernels.entries()) {
        const wanted = wantedOf(cluster, h + 1);
        expect((await kernel.apply(wanted)).failures, what).toEqual([]);
      }
      for (const [h, host] of hosts.entries()) {
        const wanted = wantedOf(cluster, h + 1);
        const state = await kernelState(host);
        expect(state, `${what}, host ${h + 1}`).toEqual(await freshly(wanted));
        expect(await staleConnections(host, cluster, Object.keys(state)), what).toEqual([]);
      }
      await speak(cluster);
      if (!isHeard(cluster)) continue;
      heard++;
      expect(await remembered(), `${what}: connections to forget`).toBeGreaterThan(0);
    }
  };
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 1, endOnFailure: true });
  expect(heard, "operations after which there was something to forget").toBeGreaterThan(0);
});
