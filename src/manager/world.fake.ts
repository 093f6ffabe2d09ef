import type { Instant } from "../lib/index.ts";
import {
  type Availability,
  type Change,
  isTerminal,
  isWanted,
  type Kind,
  type Kinds,
  type Node,
  type NodeState,
  type Plan,
  put,
  type Service,
  type ServiceSpec,
  stateRank,
  type Task,
  type TaskState,
  withReport,
} from "../model/index.ts";
import { aCluster, aNetwork, aService, countingIds, T0 } from "../model/objects.fake.ts";
import { LiveView, type ObjectChange } from "../store/index.ts";
import { planCluster } from "./planner.ts";

/** What becomes of a task that its node was told to run: it runs, ends, never comes to run ("rejected"), or takes its time ("preparing"). */
export type Fate = (task: Task, now: Instant) => "running" | "complete" | "failed" | "rejected" | "preparing";

/** Turns of agents and planner at one instant after which they are taken to chase each other for ever. */
const MANY_TURNS = 200;

/** A world that the planner acts on, as the store would: versions grow, objects are replaced. */
export class World {
  readonly view: LiveView = new LiveView();
  now: Instant = T0;
  /** Called after every write, e.g. to look for what must never be. */
  watch: ((changes: readonly ObjectChange[]) => void) | undefined;
  /** What a task's node says is wrong when the task comes to this state. */
  complaint: ((task: Task, state: TaskState) => string | undefined) | undefined;
  #version = 10;
  readonly #newId: () => string = countingIds();

  write(changes: readonly Change[]): void {
    const done = changes.map((change): ObjectChange => {
      if (change.op === "delete") {
        const before = this.view.delete(change.kind, change.id);
        return { kind: change.kind, ...(before && { before }) };
      }
      const after = { ...change.object, version: ++this.#version } as Kinds[Kind];
      const before = this.view.put<Kind>(change.kind, after);
      return { kind: change.kind, after, ...(before && { before }) };
    });
    this.watch?.(done);
  }

  plan(): Plan {
    return planCluster(this.view, { now: this.now, newId: this.#newId });
  }

  /** Plans and writes until nothing is left to say. */
  settle(): void {
    for (let i = 0; i < 20; i++) {
      const { changes } = this.plan();
      if (changes.length === 0) return;
      this.write(changes);
    }
    throw new Error("the planner does not settle");
  }

  tasks(): Task[] {
    return [...this.view.all("task")];
  }

  /** Tasks that run and are meant to. */
  running(): Task[] {
    return this.tasks().filter((task) => task.status.state === "running" && isWanted(task));
  }

  service(id = "svc-web"): Service {
    const service = this.view.get("service", id);
    if (service === undefined) throw new Error(`no service ${id}`);
    return service;
  }

  /** New words for a service, written as the control does. */
  update(edit: (spec: ServiceSpec) => ServiceSpec): void {
    const { updateStatus: _, ...service } = this.service();
    const spec = edit(service.spec);
    this.write([
      put("service", { ...service, spec, previousSpec: service.spec, specVersion: service.version + 1 }),
    ]);
  }

  /** Changes a node's state or availability. */
  node(id: string, state: NodeState, availability: Availability = "active"): void {
    const node = this.view.get("node", id);
    if (node === undefined) throw new Error(`no node ${id}`);
    const { downAt: _, ...rest } = node.status;
    const status = { ...rest, state, ...(state === "down" && { downAt: this.now }) };
    this.write([put("node", { ...node, status, spec: { ...node.spec, availability } })]);
  }

  report(task: Task, state: TaskState): void {
    const error = this.complaint?.(task, state);
    const status = { at: this.now, state, message: "", ...(error !== undefined && { error }) };
    const next = withReport(task, status, this.now);
    if (next !== undefined && state !== task.status.state) this.write([put("task", next)]);
  }

  /** Every node that is up does what it was told. Returns whether anything happened. */
  agents(fate: Fate = () => "running"): boolean {
    const before = this.#version;
    for (const task of this.tasks()) {
      const node = task.nodeId === undefined ? undefined : this.view.get("node", task.nodeId);
      if (node?.status.state !== "ready" || isTerminal(task) || !isAssigned(task)) continue;
      this.report(task, isWanted(task) ? nextState(task, fate(task, this.now)) : "shutdown");
    }
    return this.#version > before;
  }

  /** Lives through `ms`: agents do as they are told, time jumps from one due instant to the next, `stepMs` at most. */
  run(ms: number, fate?: Fate, stepMs = 1_000): void {
    const end = this.now + ms;
    for (let turns = 0; ; turns++) {
      if (turns > MANY_TURNS) throw new Error("planner and agents chase each other without pause");
      this.settle();
      if (this.agents(fate)) continue;
      const again = Math.min(this.plan().again ?? Number.POSITIVE_INFINITY, this.now + stepMs);
      if (again > end) break;
      if (again > this.now) turns = 0;
      this.now = Math.max(again, this.now);
    }
    this.now = end;
    this.settle();
  }
}

/** Its node has been told of it. */
function isAssigned(task: Task): boolean {
  return stateRank(task.status.state) >= stateRank("assigned");
}

function nextState(task: Task, fate: ReturnType<Fate>): TaskState {
  if (fate === "rejected" || fate === "preparing") return fate;
  if (task.desiredState === "ready") return "ready";
  return task.status.state === "running" ? fate : "running";
}

/** A world with a cluster, the ingress network and an overlay network "front". */
export function newWorld(nodes: readonly Node[], services: readonly Service[]): World {
  const world = new World();
  world.view.put("cluster", aCluster());
  world.view.put("network", aNetwork("ingress", { ingress: true, name: "ingress" }));
  world.view.put("network", aNetwork("front"));
  for (const node of nodes) world.view.put("node", node);
  for (const service of services) world.view.put("service", service);
  return world;
}

/** A service "web" on "front" that publishes a port of the allocator's choice. */
export function webService(replicas: number): Service {
  const base = aService("web");
  return aService("web", {
    mode: { kind: "replicated", replicas },
    task: { ...base.spec.task, networks: [{ target: "net-front", aliases: [] }] },
    endpoint: {
      mode: "vip",
      ports: [{ name: "", protocol: "tcp", target: 80, published: 0, publishMode: "ingress" }],
    },
  });
}
