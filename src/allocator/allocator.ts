import { equal, type Instant } from "../lib/index.ts";
import {
  type Decision,
  type Endpoint,
  type EndpointSpec,
  isPredefined,
  isWanted,
  type Meta,
  type Network,
  type Node,
  type Plan,
  put,
  type Scope,
  type Service,
  type Task,
  type TaskSpec,
  type Vip,
} from "../model/index.ts";
import { type Derived, tallyOf, type View } from "../store/index.ts";
import { Ledger } from "./ledger.ts";
import { grantPorts } from "./ports.ts";
import { grantNetwork } from "./subnets.ts";

/** Tasks that one pass gives addresses to; the next pass goes on. */
const MOST = 200;

/** Services with tasks that have no addresses yet. */
const NEW_TASKS: Derived<Map<string, number>> = tallyOf("task", (task) =>
  isNew(task) ? task.serviceId : undefined,
);
/** Services that could not be served: what they lack may have come free. */
const UNSERVED: Derived<Map<string, number>> = tallyOf("service", (service) =>
  service.allocationError === undefined ? undefined : service.id,
);

/**
 * Hands out numbers: subnets and VNIs to networks, VIPs and published ports to services, addresses to tasks and nodes.
 * What is held follows from the objects themselves, so nothing can leak: an address is free when no object says it.
 */
export function planAllocation(view: View, decision: Decision, scope: Scope): Plan {
  const networks = allocateNetworks(view);
  const ledger = new Ledger(view, networks);
  const services = allocateServices(view, scope, ledger);
  const tasks = allocateTasks(view, services, ledger, decision.now);
  const nodes = allocateNodes(view, scope, ledger);
  for (const [id, state] of ledger.moved()) {
    const network = networks.get(id);
    if (network !== undefined) networks.set(id, { ...network, state });
  }
  const touched = [...networks.values()].filter(
    (network) => !equal(network, view.get("network", network.id)),
  );
  return {
    changes: [
      ...touched.map((network) => put("network", network)),
      ...[...services.values()].map((service) => put("service", service)),
      ...tasks.map((task) => put("task", task)),
      ...nodes.map((node) => put("node", node)),
    ],
    because: "allocation",
  };
}

/** All networks, those that waited served or with a complaint. */
function allocateNetworks(view: View): Map<string, Network> {
  const known = new Map<string, Network>();
  for (const network of view.all("network")) known.set(network.id, network);
  const waiting = [...known.values()]
    .filter((n) => n.state === undefined)
    .sort((a, b) => Number(b.spec.ingress) - Number(a.spec.ingress) || byAge(a, b));
  for (const network of waiting) {
    const others = [...known.values()].filter((n) => n.id !== network.id);
    const grant = grantNetwork(view, network.spec, others);
    known.set(
      network.id,
      "state" in grant
        ? served(network, { state: grant.state })
        : { ...network, allocationError: grant.error },
    );
  }
  return known;
}

/** The oldest first. */
function byAge(a: Meta, b: Meta): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}

/** The object with what it was granted, and its old complaint forgotten. */
function served<T extends { allocationError?: string }>(object: T, granted: Partial<T>): T {
  const { allocationError: _, ...rest } = object;
  return { ...(rest as T), ...granted };
}

/** Services that are other than before. */
function allocateServices(view: View, scope: Scope, ledger: Ledger): Map<string, Service> {
  const ids = new Set([...scope.services, ...view.derive(UNSERVED).keys()]);
  const services = [...ids].flatMap((id) => view.get("service", id) ?? []).sort(byAge);
  const changed = new Map<string, Service>();
  for (const service of services) {
    const next = isServed(service, ledger) ? service : allocateService(service, ledger);
    if (next !== service && !equal(next, service)) changed.set(service.id, next);
  }
  return changed;
}

/** Tasks that got their addresses, or have something new to complain of. */
function allocateTasks(
  view: View,
  services: ReadonlyMap<string, Service>,
  ledger: Ledger,
  now: Instant,
): Task[] {
  const waiting = [...view.derive(NEW_TASKS).keys()]
    .flatMap((id) => [...view.tasksByService(id)].filter(isNew))
    .sort((a, b) => a.createdAt - b.createdAt || compareSlots(a, b));
  const changed: Task[] = [];
  for (const task of waiting) {
    if (changed.length >= MOST) break;
    const service = services.get(task.serviceId) ?? view.get("service", task.serviceId);
    const next = allocateTask(task, service, ledger, now);
    if (next !== undefined) changed.push(next);
  }
  return changed;
}

function isNew(task: Task): boolean {
  return task.status.state === "new" && isWanted(task);
}

function compareSlots(a: Task, b: Task): number {
  if (a.serviceId !== b.serviceId) return a.serviceId < b.serviceId ? -1 : 1;
  return a.slot - b.slot || (a.id < b.id ? -1 : 1);
}

/** Nodes whose own addresses change. Those that found none before ask again: one may have come free. */
function allocateNodes(view: View, scope: Scope, ledger: Ledger): Node[] {
  const { books, ingress } = ledger;
  const changed = new Map<string, Node>();
  const allocate = (nodes: readonly Node[]) => {
    for (const node of [...nodes].sort(byAge)) {
      const now = changed.get(node.id) ?? node;
      const next = allocateNode(now, ledger);
      if (next === undefined) continue;
      books.moveNode(now, next);
      changed.set(node.id, next);
    }
  };
  allocate([...scope.nodes].flatMap((id) => view.get("node", id) ?? []));
  const lacksIngress = ({ attachments }: Node) =>
    ingress !== undefined && attachments[ingress.id] === undefined;
  if (books.hasStranded || (ingress !== undefined && books.strangers(ingress.id) > 0)) {
    allocate([...view.all("node")].filter((node) => books.isStranding(node.id) || lacksIngress(node)));
  }
  return [...changed.values()];
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
  const own = service.spec.endpoint.mode === "vip" ? overlaysOf(service.spec.task) : [];
  const ingress =
    usesIngress(service.spec.endpoint) && ledger.ingress !== undefined ? [ledger.ingress.id] : [];
  return [...ingress, ...own];
}

function usesIngress({ ports }: EndpointSpec): boolean {
  return ports.some((port) => port.publishMode === "ingress");
}

function allocateService(service: Service, ledger: Ledger): Service {
  if (usesIngress(service.spec.endpoint) && ledger.ingress === undefined) {
    return { ...service, allocationError: "the ingress network does not exist" };
  }
  const granted = grantPorts(service, ledger.books, ledger.ownPorts);
  if ("error" in granted) return { ...service, allocationError: granted.error };
  const held = new Map(service.endpoint?.vips.map((vip) => [vip.networkId, vip]));
  const networks = vipNetworks(service, ledger);
  // All or none: half a service must not use addresses up.
  const refusal = firstOf(networks, (id) => (held.has(id) ? undefined : ledger.refusal(id)));
  if (refusal !== undefined) return { ...service, allocationError: refusal };
  const vips = networks.flatMap((networkId): Vip[] => {
    const known = held.get(networkId);
    if (known !== undefined) return [known];
    const place = ledger.give(networkId);
    return place === undefined ? [] : [{ networkId, ...place }];
  });
  const endpoint: Endpoint = { spec: service.spec.endpoint, ports: granted.ports, vips };
  return served(service, { endpoint });
}

/** A NEW task with its addresses, moved on to PENDING; with a complaint when there is one; undefined: nothing to say. */
function allocateTask(
  task: Task,
  service: Service | undefined,
  ledger: Ledger,
  now: Instant,
): Task | undefined {
  if (service === undefined) return undefined;
  const targets = targetsOf(task, ledger);
  const refusal = isServed(service, ledger)
    ? firstOf(targets, (id) => ledger.refusalToTask(id))
    : (service.allocationError ?? "its service is not allocated yet");
  if (refusal !== undefined) {
    const error = `cannot allocate task: ${refusal}`;
    return task.status.error === error ? undefined : { ...task, status: { ...task.status, error } };
  }
  const attachments = targets.flatMap((networkId) => {
    const place = ledger.place(networkId);
    return place === undefined ? [] : [{ networkId, ...place }];
  });
  const status = { at: now, state: "pending", message: "pending task scheduling" } as const;
  const allocated = { ...task, attachments, status };
  ledger.books.enter(allocated, 1);
  return allocated;
}

/** The networks that give addresses: what a node has of its own does not. */
function overlaysOf({ networks }: TaskSpec): string[] {
  return networks.map(({ target }) => target).filter((id) => !isPredefined(id));
}

function targetsOf(task: Task, ledger: Ledger): string[] {
  const own = overlaysOf(task.spec);
  return usesIngress(task.endpoint) && ledger.ingress !== undefined ? [...own, ledger.ingress.id] : own;
}

function firstOf<T, R>(items: readonly T[], of: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = of(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A node's own addresses: on ingress always, on another network while a task of it is there. */
function allocateNode(node: Node, ledger: Ledger): Node | undefined {
  const ingress = ledger.ingress === undefined ? [] : [ledger.ingress.id];
  const wanted = new Set([...ingress, ...ledger.books.networksOf(node.id)]);
  if (wanted.size === Object.keys(node.attachments).length) {
    if ([...wanted].every((id) => node.attachments[id] !== undefined)) return undefined;
  }
  const attachments: Record<string, string> = {};
  for (const networkId of wanted) {
    const address = node.attachments[networkId] ?? ledger.next(networkId);
    if (address !== undefined) attachments[networkId] = address;
  }
  return equal(attachments, node.attachments) ? undefined : { ...node, attachments };
}
