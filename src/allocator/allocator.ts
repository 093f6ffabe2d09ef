import { equal } from "../lib/index.ts";
import {
  type Attachment,
  type Change,
  type Decision,
  type Endpoint,
  type EndpointSpec,
  isTerminal,
  isWanted,
  type Network,
  type Node,
  type Plan,
  put,
  type Scope,
  type Service,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { Ledger } from "./ledger.ts";
import { grantPorts } from "./ports.ts";
import { grantNetwork } from "./subnets.ts";

/**
 * Hands out numbers: subnets and VNIs to networks, VIPs and published ports to services, addresses to tasks and nodes.
 * What is held is read from the view itself, so nothing can leak: an address is free when no object says it.
 */
export function planAllocation(view: View, decision: Decision, _scope: Scope): Plan {
  const changes: Change[] = [];
  const networks = allocateNetworks(view, changes);
  const ledger = new Ledger(view, networks);
  const services = allocateServices(view, ledger, changes);
  for (const task of view.all("task")) {
    if (task.status.state !== "new" || !isWanted(task)) continue;
    const next = allocateTask(task, services.get(task.serviceId), ledger, decision.now);
    if (next !== undefined) changes.push(put("task", next));
  }
  for (const node of view.all("node")) {
    const next = allocateNode(view, node, ledger);
    if (next !== undefined) changes.push(put("node", next));
  }
  return { changes, because: "allocation" };
}

function allocateNetworks(view: View, changes: Change[]): Map<string, Network> {
  const known = new Map<string, Network>();
  for (const network of view.all("network")) known.set(network.id, network);
  const waiting = [...known.values()]
    .filter((n) => n.state === undefined)
    .sort((a, b) => Number(b.spec.ingress) - Number(a.spec.ingress) || a.createdAt - b.createdAt);
  for (const network of waiting) {
    const grant = grantNetwork(
      view,
      network.spec,
      [...known.values()].filter((n) => n.id !== network.id),
    );
    const next =
      "state" in grant
        ? served(network, { state: grant.state })
        : { ...network, allocationError: grant.error };
    known.set(network.id, next);
    if (!equal(next, network)) changes.push(put("network", next));
  }
  return known;
}

/** The object with what it was granted, and its old complaint forgotten. */
function served<T extends { allocationError?: string }>(object: T, granted: Partial<T>): T {
  const { allocationError: _, ...rest } = object;
  return { ...(rest as T), ...granted };
}

function allocateServices(view: View, ledger: Ledger, changes: Change[]): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const service of view.all("service")) {
    const next = isServed(service, ledger) ? service : allocateService(service, ledger);
    services.set(service.id, next);
    if (next !== service && !equal(next, service)) changes.push(put("service", next));
  }
  return services;
}

function isServed(service: Service, ledger: Ledger): boolean {
  const { endpoint } = service;
  if (endpoint === undefined || !equal(endpoint.spec, service.spec.endpoint)) return false;
  const want = vipNetworks(service, ledger);
  const have = new Set(endpoint.vips.map((vip) => vip.networkId));
  return have.size === want.length && want.every((id) => have.has(id));
}

/** Networks on which the service has a VIP: its own with mode vip, and ingress when a port is published there. */
function vipNetworks(service: Service, ledger: Ledger): string[] {
  const own = service.spec.endpoint.mode === "vip" ? service.spec.task.networks.map((n) => n.target) : [];
  const ingress =
    usesIngress(service.spec.endpoint) && ledger.ingress !== undefined ? [ledger.ingress.id] : [];
  return [...own, ...ingress];
}

function usesIngress({ ports }: EndpointSpec): boolean {
  return ports.some((port) => port.publishMode === "ingress");
}

function allocateService(service: Service, ledger: Ledger): Service {
  if (usesIngress(service.spec.endpoint) && ledger.ingress === undefined) {
    return { ...service, allocationError: "the ingress network does not exist" };
  }
  const granted = grantPorts(service, ledger.ports);
  if ("error" in granted) return { ...service, allocationError: granted.error };
  const held = new Map(service.endpoint?.vips.map((v) => [v.networkId, v.address]));
  const vips: { networkId: string; address: string }[] = [];
  for (const networkId of vipNetworks(service, ledger)) {
    const grant = held.has(networkId) ? { address: held.get(networkId) ?? "" } : ledger.give(networkId);
    if ("error" in grant) return { ...service, allocationError: grant.error };
    vips.push({ networkId, address: grant.address });
  }
  const endpoint: Endpoint = { spec: service.spec.endpoint, ports: granted.ports, vips };
  return served(service, { endpoint });
}

/** A NEW task with its addresses, moved on to PENDING; with a complaint when there is one; undefined: nothing to say. */
function allocateTask(
  task: Task,
  service: Service | undefined,
  ledger: Ledger,
  now: number,
): Task | undefined {
  if (service === undefined) return undefined;
  const result = attachmentsFor(task, service, ledger);
  if ("error" in result) {
    const error = `cannot allocate task: ${result.error}`;
    return task.status.error === error ? undefined : { ...task, status: { ...task.status, error } };
  }
  const status = { at: now, state: "pending", message: "pending task scheduling" } as const;
  return { ...task, attachments: result.attachments, status };
}

function attachmentsFor(
  task: Task,
  service: Service,
  ledger: Ledger,
): { attachments: Attachment[] } | { error: string } {
  if (!isServed(service, ledger))
    return { error: service.allocationError ?? "its service is not allocated yet" };
  const targets = task.spec.networks.map((n) => n.target);
  if (usesIngress(task.endpoint) && ledger.ingress !== undefined) targets.push(ledger.ingress.id);
  const attachments: Attachment[] = [];
  for (const networkId of targets) {
    const grant = ledger.giveToTask(networkId);
    if ("error" in grant) {
      for (const held of attachments) ledger.release(held);
      return grant;
    }
    attachments.push({ networkId, address: grant.address });
  }
  return { attachments };
}

/** A node's own addresses: on ingress always, on another network while a task of it is there. */
function allocateNode(view: View, node: Node, ledger: Ledger): Node | undefined {
  const wanted = new Set<string>(ledger.ingress === undefined ? [] : [ledger.ingress.id]);
  for (const task of view.tasksByNode(node.id)) {
    if (!isTerminal(task)) for (const { networkId } of task.attachments) wanted.add(networkId);
  }
  const attachments: Record<string, string> = {};
  for (const networkId of wanted) {
    const held = node.attachments[networkId];
    const grant = held === undefined ? ledger.give(networkId) : { address: held };
    if ("address" in grant) attachments[networkId] = grant.address;
  }
  return equal(attachments, node.attachments) ? undefined : { ...node, attachments };
}
