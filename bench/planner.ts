import { performance } from "node:perf_hooks";
import { AssignmentFeed, planScope, Worklist } from "../src/manager/index.ts";
import type { Change, Kind, Kinds, Service, Task, TaskState } from "../src/model/index.ts";
import { aCluster, aNetwork, aNode, aService, countingIds, T0 } from "../src/model/objects.fake.ts";
import { LiveView, type ObjectChange } from "../src/store/index.ts";

/**
 * What the deciders and the dispatcher cost a manager, by size of the cluster: `npx tsx bench/planner.ts`. Plans are made
 * as the leader's loop makes them, from a work list, and written to a view; etcd and sealing are left out.
 */

interface Size {
  readonly services: number;
  readonly replicas: number;
  readonly nodes: number;
}

const SIZES: readonly Size[] = [
  { services: 1, replicas: 50, nodes: 3 },
  { services: 50, replicas: 20, nodes: 25 },
  { services: 500, replicas: 20, nodes: 250 },
  { services: 1_000, replicas: 20, nodes: 500 },
  { services: 5_000, replicas: 20, nodes: 500 },
];

/** What one piece of planning took: all of it, its longest plan, and how many plans and changes it was. */
interface Cost {
  readonly ms: number;
  readonly longestMs: number;
  readonly plans: number;
  readonly changes: number;
}

class Cluster {
  view: LiveView = new LiveView();
  work: Worklist = new Worklist();
  now: number = T0;
  readonly #newId = countingIds();
  #version = 1;

  constructor({ services, replicas, nodes }: Size) {
    const ipam = [{ subnet: "10.99.0.0/16" }];
    this.view.put("cluster", aCluster());
    this.view.put("network", aNetwork("ingress", { ingress: true, name: "ingress", ipam }));
    for (let i = 0; i < Math.ceil(services / 20); i++) {
      const subnet = `10.${100 + (i >> 4)}.${(i & 15) * 16}.0/20`;
      this.view.put("network", aNetwork(`app${i}`, { ipam: [{ subnet }] }));
    }
    for (let i = 0; i < nodes; i++) this.view.put("node", withAddress(`n${i}`));
    for (let i = 0; i < services; i++) this.view.put("service", serviceOf(i, replicas));
    this.work.begin(this.view);
  }

  put<K extends Kind>(kind: K, object: Kinds[K]): void {
    const after = { ...object, version: ++this.#version };
    const before = this.view.put(kind, after);
    this.work.note(this.view, [{ kind, after, ...(before && { before }) }]);
  }

  /** As a manager that begins to lead: it knows the objects, and nothing that follows from them. */
  restart(): void {
    const old = this.view;
    this.view = new LiveView();
    for (const kind of ["cluster", "node", "service", "task", "network"] as const) {
      for (const object of old.all(kind)) this.view.put<Kind>(kind, object);
    }
    this.work = new Worklist();
  }

  /** Plans until nothing is left to do. */
  settle(): Cost {
    const begun = performance.now();
    let [longestMs, plans, changes] = [0, 0, 0];
    for (;;) {
      const from = performance.now();
      const scope = this.work.take(this.view, this.now);
      if (scope === undefined) break;
      const plan = planScope(this.view, scope, { now: this.now, newId: this.#newId });
      longestMs = Math.max(longestMs, performance.now() - from);
      plans += 1;
      changes += plan.changes.length;
      this.#write(plan.changes);
      this.work.settle(plan);
    }
    return { ms: performance.now() - begun, longestMs, plans, changes };
  }

  #write(changes: readonly Change[]): void {
    const done = changes.map((change): ObjectChange => {
      if (change.op === "put") {
        const after = { ...change.object, version: ++this.#version } as Kinds[Kind];
        const before = this.view.put<Kind>(change.kind, after);
        return { kind: change.kind, after, ...(before && { before }) };
      }
      const before = this.view.delete(change.kind, change.id);
      return { kind: change.kind, ...(before && { before }) };
    });
    this.work.note(this.view, done);
  }
}

function withAddress(id: string): ReturnType<typeof aNode> {
  const i = Number(id.slice(1));
  return aNode(id, { dataPathAddress: `192.168.${i >> 8}.${i & 255}` });
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

/** The median of several. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

function ended(task: Task, state: TaskState): Task {
  return { ...task, status: { at: T0, state, message: "" }, endedAt: T0 };
}

/** One task after another fails; each time all that follows is planned. */
function failures(cluster: Cluster, times: number): number {
  const running = [...cluster.view.all("task")].filter((task) => task.status.state === "running");
  return median(
    Array.from({ length: times }, (_, i) => {
      const task = running[Math.floor((i * running.length) / times)];
      if (task === undefined) throw new Error("nothing runs");
      cluster.put("task", ended(task, "failed"));
      return cluster.settle().ms;
    }),
  );
}

/** Sessions of nodes hear of one report after another. */
function follow(cluster: Cluster, nodes: number, times: number): number {
  const feeds = Array.from({ length: nodes }, (_, i) => new AssignmentFeed(`n${i}`));
  for (const feed of feeds) feed.begin(cluster.view);
  const [one] = cluster.view.all("task");
  if (one === undefined) throw new Error("no task was planned");
  return median(
    Array.from({ length: times }, (_, i) => {
      const after: Task = { ...one, status: { ...one.status, message: String(i) } };
      return timed(() => {
        const before = cluster.view.put("task", after);
        const change: ObjectChange = { kind: "task", after, ...(before && { before }) };
        for (const feed of feeds) feed.follow(cluster.view, [change]);
      });
    }),
  );
}

function measure(size: Size): Record<string, string | number> {
  const cluster = new Cluster(size);
  const deploy = cluster.settle();
  for (const task of [...cluster.view.all("task")]) {
    cluster.put("task", { ...task, ranAt: T0, status: { at: T0, state: "running", message: "started" } });
  }
  const reports = cluster.settle();
  cluster.restart();
  const begin = timed(() => cluster.work.begin(cluster.view));
  const restart = cluster.settle();
  const idle = median(
    Array.from({ length: 101 }, () => timed(() => cluster.work.take(cluster.view, cluster.now))),
  );
  const failed = failures(cluster, 31);
  const [node] = cluster.view.all("node");
  if (node === undefined) throw new Error("no node");
  cluster.put("node", { ...node, status: { ...node.status, state: "down" } });
  const down = cluster.settle();
  return {
    services: size.services,
    tasks: size.services * size.replicas,
    nodes: size.nodes,
    "deploy all ms": deploy.ms.toFixed(0),
    "longest plan ms": Math.max(deploy.longestMs, reports.longestMs).toFixed(1),
    "restart ms": (begin + restart.ms).toFixed(1),
    "its longest plan ms": restart.longestMs.toFixed(1),
    "idle µs": (idle * 1000).toFixed(1),
    "a task failed ms": failed.toFixed(2),
    "a node down ms": `${down.ms.toFixed(1)} (${down.changes} changes)`,
    "25 nodes follow ms": follow(cluster, Math.min(25, size.nodes), 51).toFixed(3),
  };
}

for (const size of SIZES.slice(0, 3)) measure(size); // warm
console.table(SIZES.map(measure));
