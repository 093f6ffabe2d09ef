import { performance } from "node:perf_hooks";
import { AssignmentFeed, planCluster } from "../src/manager/index.ts";
import type { Change, Service, TaskState } from "../src/model/index.ts";
import { aCluster, aNetwork, aNode, aService, countingIds, T0 } from "../src/model/objects.fake.ts";
import { LiveView } from "../src/store/index.ts";

/** What the deciders and the dispatcher cost a manager, by size of the cluster: `npx tsx bench/planner.ts`. */

interface Size {
  readonly services: number;
  readonly replicas: number;
  readonly nodes: number;
}

const SIZES: readonly Size[] = [
  { services: 1, replicas: 50, nodes: 3 },
  { services: 100, replicas: 3, nodes: 3 },
  { services: 1_000, replicas: 3, nodes: 3 },
  { services: 1_000, replicas: 3, nodes: 50 },
];

class Cluster {
  readonly view: LiveView = new LiveView();
  readonly #newId = countingIds();
  #version = 1;

  constructor({ services, nodes }: Size) {
    this.view.put("cluster", aCluster());
    const ipam = [{ subnet: "10.99.0.0/16" }];
    this.view.put("network", aNetwork("ingress", { ingress: true, name: "ingress", ipam }));
    const networks = Math.ceil(services / 20);
    for (let i = 0; i < networks; i++) {
      this.view.put(
        "network",
        aNetwork(`app${i}`, { ipam: [{ subnet: `10.${100 + (i >> 4)}.${(i & 15) * 16}.0/20` }] }),
      );
    }
    for (let i = 0; i < nodes; i++) this.view.put("node", withRoom(`n${i}`));
  }

  write(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.op === "delete") this.view.delete(change.kind, change.id);
      else this.view.put(change.kind, { ...change.object, version: ++this.#version } as never);
    }
  }

  plan(): readonly Change[] {
    return planCluster(this.view, { now: T0, newId: this.#newId }).changes;
  }
}

function withRoom(id: string): ReturnType<typeof aNode> {
  return aNode(id, { dataPathAddress: `192.168.0.${Number(id.slice(1)) + 1}` });
}

function serviceOf(i: number, replicas: number): Service {
  const base = aService(`s${i}`);
  const target = `net-app${Math.floor(i / 20)}`;
  return aService(`s${i}`, {
    mode: { kind: "replicated", replicas },
    task: { ...base.spec.task, networks: [{ target, aliases: [] }] },
    endpoint: {
      mode: "vip",
      ports:
        i % 4 === 0 ? [{ name: "", protocol: "tcp", target: 80, published: 0, publishMode: "ingress" }] : [],
    },
  });
}

/** Milliseconds of one call, the median of several. */
function ms(times: number, work: () => void): number {
  const taken = Array.from({ length: times }, () => {
    const before = performance.now();
    work();
    return performance.now() - before;
  });
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}

function measure(size: Size): Record<string, string | number> {
  const { services, replicas, nodes } = size;
  const cluster = new Cluster(size);
  for (let i = 0; i < size.services; i++) cluster.view.put("service", serviceOf(i, size.replicas));
  let changes: readonly Change[] = [];
  const first = ms(1, () => {
    changes = cluster.plan();
  });
  cluster.write(changes);
  for (const task of [...cluster.view.all("task")]) {
    cluster.view.put("task", { ...task, status: { at: T0, state: "running", message: "started" } });
  }
  const idle = ms(15, () => cluster.plan());
  const [one] = cluster.view.all("task");
  if (one === undefined) throw new Error("no task was planned");
  cluster.view.put("task", { ...one, status: { ...one.status, state: "failed" } });
  const restart = ms(15, () => cluster.plan());
  const feeds = Array.from({ length: nodes }, (_, i) => new AssignmentFeed(`n${i}`));
  const whole = ms(1, () => {
    for (const feed of feeds) feed.begin(cluster.view);
  });
  let state: TaskState = "running";
  const follow = ms(51, () => {
    state = state === "running" ? "starting" : "running";
    const after = { ...one, status: { at: T0, state, message: "" } };
    const before = cluster.view.put("task", after);
    for (const feed of feeds) feed.follow(cluster.view, [{ kind: "task", after, ...(before && { before }) }]);
  });
  return {
    services,
    replicas,
    nodes,
    "first plan ms": first.toFixed(0),
    "tick, nothing to do ms": idle.toFixed(2),
    "tick, one task failed ms": restart.toFixed(2),
    "all nodes' sets ms": whole.toFixed(1),
    "all nodes, one commit ms": follow.toFixed(3),
    "rows of a node": feeds[0]?.told.size ?? 0,
  };
}

for (const size of SIZES) measure(size); // warm
console.table(SIZES.map(measure));
