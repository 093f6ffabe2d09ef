import {
  fitsPlatform,
  isGlobal,
  isTerminal,
  isWanted,
  meetsAll,
  type Node,
  type Service,
  type Task,
} from "../../../../src/model/index.ts";
import { servesForEver } from "../images.ts";
import type { SimCluster } from "../sim-cluster.ts";
import type { SimHost } from "../sim-host.ts";
import { leaks } from "./numbers.ts";

/**
 * What runs other than what is asked for, as sentences: empty once a healed cluster has come to rest. Services whose processes end
 * by themselves are looked at only for what must never be.
 */
export async function differences(world: SimCluster): Promise<string[]> {
  const told = [...nodeTroubles(world), ...leaks(world), ...orphans(world)];
  for (const service of world.view.all("service")) told.push(...serviceTroubles(world, service));
  for (const host of world.hosts) told.push(...(await hostTroubles(world, host)));
  return told;
}

function nodeTroubles(world: SimCluster): string[] {
  return [...world.view.all("node")]
    .filter((node) => node.status.state !== "ready" && !world.host(node.id).hasLeft)
    .map((node) => `${node.id} is ${node.status.state}`);
}

function orphans({ view }: SimCluster): string[] {
  return [...view.all("task")]
    .filter((task) => view.get("service", task.serviceId) === undefined)
    .map((task) => `a task of ${task.serviceName} stays (${task.status.state}), its service is gone`);
}

function serviceTroubles(world: SimCluster, service: Service): string[] {
  const { name, mode, task } = service.spec;
  const tasks = [...world.view.tasksByService(service.id)];
  if (mode.kind === "replicated-job") {
    const done = tasks.filter((t) => t.status.state === "complete" && isOfNow(service, t)).length;
    const isSure = task.container.image.includes(":batch") && task.restart.condition !== "none";
    return isSure && done !== mode.totalCompletions && !isStuck(tasks)
      ? [`${name} completed ${done} times, not ${mode.totalCompletions}`]
      : [];
  }
  const state = service.updateStatus?.state;
  if (!servesForEver(task.container.image) || mode.kind === "global-job") return [];
  if (state === "paused" || state === "rollback_paused") return [];
  const wanted = tasks.filter((t) => isWanted(t) && !isTerminal(t));
  const told: string[] = [];
  const nodes = groundsOf(world, service);
  const count = mode.kind === "replicated" ? mode.replicas : nodes.length;
  if (mayGiveUp(service) || (isLimited(service) && isStuck(wanted))) return told;
  // Without a place for any task an update gives each its ten minutes.
  const hasPlace = nodes.some(({ spec }) => spec.availability === "active");
  if (wanted.length !== count) told.push(`${name} has ${wanted.length} tasks, not ${count}`);
  if (hasPlace) for (const each of wanted) told.push(...taskTroubles(world, service, each, nodes));
  if (hasPlace && (state === "updating" || state === "rollback_started"))
    told.push(`${name} is still ${state}`);
  return told;
}

function isOfNow(service: Service, task: Task): boolean {
  return (task.jobIteration ?? 0) === (service.job?.iteration ?? 0);
}

/** Some of its tasks wait for a place, and say so. */
function isStuck(tasks: readonly Task[]): boolean {
  return tasks.some((task) => isWanted(task) && task.status.error !== undefined);
}

/** A policy that ends restarts may leave slots empty for good. */
function mayGiveUp({ spec }: Service): boolean {
  const { condition, maxAttempts } = spec.task.restart;
  return condition !== "any" || maxAttempts > 0;
}

function taskTroubles(world: SimCluster, service: Service, task: Task, nodes: readonly Node[]): string[] {
  const { name } = service.spec;
  const { state, error } = task.status;
  if (state === "running") {
    // A paused node keeps what it has: nothing new may come to it in its place.
    const isKept = world.view.get("node", task.nodeId ?? "")?.spec.availability === "pause";
    return isKept || task.spec.container.image === service.spec.task.container.image
      ? []
      : [`${name} still runs ${task.spec.container.image}`];
  }
  const isPlain = !isLimited(service) && nodes.some(({ spec }) => spec.availability === "active");
  if (state === "pending" && error !== undefined && !isPlain) return [];
  return [`a task of ${name} is ${state}${error === undefined ? "" : ` (${error})`}`];
}

/** Its words may forbid it every node. */
function isLimited({ spec }: Service): boolean {
  const { placement, resources } = spec.task;
  const reserves = resources.reservations.nanoCpus > 0 || resources.reservations.memoryBytes > 0;
  return placement.constraints.length > 0 || placement.maxReplicas > 0 || reserves;
}

/** The nodes that may run the service; a paused one only what it has. */
function groundsOf(world: SimCluster, service: Service): Node[] {
  const { placement } = service.spec.task;
  const has = (node: Node) =>
    [...world.view.tasksByNode(node.id)].some(
      (t) => t.serviceId === service.id && isWanted(t) && !isTerminal(t),
    );
  return [...world.view.all("node")].filter(
    (node) =>
      node.status.state === "ready" &&
      (node.spec.availability === "active" ||
        (node.spec.availability === "pause" && isGlobal(service.spec.mode.kind) && has(node))) &&
      meetsAll(placement.constraints, node) &&
      fitsPlatform(placement, node),
  );
}

/** What the machine runs against what the store says of it, and what its agent was told of the network. */
async function hostTroubles(world: SimCluster, host: SimHost): Promise<string[]> {
  const told: string[] = [];
  const all = await host.containers.list({ "com.docker.swarm.task.id": "" });
  const idOf = (labels: Readonly<Record<string, string>>) => labels["com.docker.swarm.task.id"] ?? "";
  const running = new Set(all.filter(({ status }) => status === "running").map(({ labels }) => idOf(labels)));
  for (const id of running) {
    const task = world.view.get("task", id);
    if (task === undefined || isTerminal(task) || !isWanted(task))
      told.push(
        `${host.name} runs a task that is ${task === undefined ? "forgotten" : `${task.status.state} and to be ${task.desiredState}`}`,
      );
  }
  const kept = all.filter(({ labels }) => world.view.get("task", idOf(labels)) === undefined);
  if (kept.length > 0) told.push(`${host.name} keeps ${kept.length} containers of forgotten tasks`);
  if (world.view.get("node", host.name) === undefined) return told;
  for (const task of world.view.tasksByNode(host.name)) {
    if (task.status.state === "running" && !running.has(task.id))
      told.push(`${task.serviceName} is said to run on ${host.name}, and does not`);
  }
  return [...told, ...guestTroubles(world, host), ...networkTroubles(world, host)];
}

/** Containers made by hand: the store has those that run, each with the address that it uses. */
function guestTroubles(world: SimCluster, host: SimHost): string[] {
  const told: string[] = [];
  const stored = new Map([...world.view.guestsByNode(host.name)].map((guest) => [guest.id, guest]));
  for (const [id, address] of host.guests.running) {
    const known = stored.get(id)?.attachments[0]?.address;
    if (known !== address)
      told.push(`a container of ${host.name} uses ${address}, and is said to have ${known}`);
  }
  for (const id of stored.keys())
    if (!host.guests.running.has(id)) told.push(`${host.name} keeps an address for a container that is gone`);
  return told;
}

/** Every agent knows exactly the endpoints and guests of the networks it is on. */
function networkTroubles(world: SimCluster, host: SimHost): string[] {
  const node = world.view.get("node", host.name);
  if (node === undefined || host.agent === undefined) return [];
  const known = new Set(host.agent.facts().endpoints.map(({ taskId }) => taskId));
  const needed = new Set<string>();
  for (const task of world.view.all("task")) {
    const isHere = task.attachments.some(({ networkId }) => node.attachments[networkId] !== undefined);
    const owner = world.view.get("node", task.nodeId ?? "");
    if (
      isHere &&
      task.status.state === "running" &&
      isWanted(task) &&
      owner !== undefined &&
      owner.status.state !== "down"
    )
      needed.add(task.id);
  }
  for (const guest of host.agent.facts().guests ?? []) known.add(guest.id);
  for (const { id, nodeId, attachments } of world.view.all("guest")) {
    const isHere = attachments.some(({ networkId }) => node.attachments[networkId] !== undefined);
    if (isHere && world.view.get("node", nodeId)?.status.state !== "down") needed.add(id);
  }
  const missing = [...needed].filter((id) => !known.has(id)).length;
  const stale = [...known].filter((id) => !needed.has(id)).length;
  return missing + stale === 0
    ? []
    : [`${host.name} does not know ${missing} endpoints, and knows ${stale} that are none`];
}
