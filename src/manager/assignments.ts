import type { AttachmentFact, EndpointFact, NetworkFact, NodeFact, ServiceFact } from "../dataplane/index.ts";
import {
  isTerminal,
  isWanted,
  type Network,
  OVERLAY_MTU,
  stateRank,
  type Task,
  taskName,
} from "../model/index.ts";
import type { View } from "../store/index.ts";

/** A task as its node is told it: all but what the node itself reports, so that a report is never echoed. */
export type TaskAssignment = Omit<Task, "version" | "updatedAt" | "notBefore" | "after" | keyof Reported>;
type Reported = Pick<Task, "status" | "ranAt" | "endedAt">;

/** Everything one node is told, by key: "task/<id>", "network/<id>", "node/<id>", "service/<id>", "endpoint/<task id>", … */
export type AssignmentSet = ReadonlyMap<string, string>;

/**
 * The whole set for one node: its own tasks, and of the networks it is on the peers, services and endpoints.
 * Nothing of other networks, and of other nodes' tasks only name and address (DESIGN section 4).
 */
export function assignmentsFor(view: View, nodeId: string): AssignmentSet {
  const set = new Map<string, string>();
  const node = view.get("node", nodeId);
  if (node === undefined) return set;
  const say = (key: string, value: unknown) => set.set(key, JSON.stringify(value));
  for (const task of view.tasksByNode(nodeId)) {
    if (stateRank(task.status.state) >= stateRank("assigned")) say(`task/${task.id}`, assignmentOf(task));
  }
  const networks = Object.keys(node.attachments).flatMap((id) => view.get("network", id) ?? []);
  const on = new Set(networks.map((n) => n.id));
  for (const network of networks) say(`network/${network.id}`, networkFact(network));
  for (const peer of view.all("node")) {
    const addresses = pick(Object.entries(peer.attachments), on);
    if (Object.keys(addresses).length === 0) continue;
    const fact: NodeFact = { id: peer.id, dataPathAddress: peer.dataPathAddress, addresses };
    say(`node/${peer.id}`, fact);
  }
  sayServices(view, on, say);
  sayTasks(view, on, say);
  return set;
}

type Say = (key: string, value: unknown) => void;

function sayServices(view: View, on: ReadonlySet<string>, say: Say): void {
  for (const service of view.all("service")) {
    const vips = pick(service.endpoint?.vips.map((v) => [v.networkId, v.address] as const) ?? [], on);
    const aliases = pick(
      service.spec.task.networks.map((n) => [n.target, n.aliases] as const),
      on,
    );
    if (Object.keys(vips).length + Object.keys(aliases).length === 0) continue;
    const ports = service.endpoint?.ports.filter((p) => p.publishMode === "ingress") ?? [];
    const fact: ServiceFact = {
      id: service.id,
      name: service.spec.name,
      vips,
      aliases,
      ports: ports.map(({ protocol, published, target }) => ({ protocol, published, target })),
    };
    say(`service/${service.id}`, fact);
  }
}

/** Endpoints are the tasks that take traffic now; attachments all that may still send or answer. */
function sayTasks(view: View, on: ReadonlySet<string>, say: Say): void {
  for (const task of view.all("task")) {
    if (task.nodeId === undefined || isTerminal(task)) continue;
    const addresses = pick(
      task.attachments.map((a) => [a.networkId, a.address] as const),
      on,
    );
    const node = view.get("node", task.nodeId);
    const away = node === undefined || node.status.state === "down";
    if (away || Object.keys(addresses).length === 0) continue;
    const place: AttachmentFact = { taskId: task.id, nodeId: task.nodeId, addresses };
    say(`attachment/${task.id}`, place);
    if (task.status.state !== "running" || !isWanted(task)) continue;
    const fact: EndpointFact = {
      taskId: task.id,
      serviceId: task.serviceId,
      name: taskName(task),
      nodeId: task.nodeId,
      addresses,
    };
    say(`endpoint/${task.id}`, fact);
  }
}

function pick<V>(entries: Iterable<readonly [string, V]>, on: ReadonlySet<string>): Record<string, V> {
  return Object.fromEntries([...entries].filter(([id]) => on.has(id)));
}

function assignmentOf(task: Task): TaskAssignment {
  const {
    status: _s,
    ranAt: _r,
    endedAt: _e,
    version: _v,
    updatedAt: _u,
    notBefore: _n,
    after: _a,
    ...rest
  } = task;
  return rest;
}

function networkFact(network: Network): NetworkFact {
  const mtu = Number(network.spec.driverOptions["com.docker.network.driver.mtu"] ?? 1500);
  return {
    id: network.id,
    name: network.spec.name,
    vni: network.state?.vni ?? 0,
    subnet: network.state?.subnet ?? "",
    gateway: network.state?.gateway ?? "",
    mtu: mtu - (1500 - OVERLAY_MTU),
    ingress: network.spec.ingress,
    internal: network.spec.internal,
  };
}

/** What to send so that a receiver of `before` holds `after`. */
export function diffAssignments(
  before: AssignmentSet,
  after: AssignmentSet,
): { upserts: { key: string; json: string }[]; removals: string[] } {
  const upserts = [...after]
    .filter(([key, json]) => before.get(key) !== json)
    .map(([key, json]) => ({ key, json }));
  const removals = [...before.keys()].filter((key) => !after.has(key));
  return { upserts, removals };
}
