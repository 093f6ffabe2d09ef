import type {
  AttachmentFact,
  EndpointFact,
  GuestFact,
  NetworkFact,
  NodeFact,
  PortFact,
  ServiceFact,
  SideFact,
} from "../dataplane/index.ts";
import { parseIpv4, subnetsOf } from "../lib/index.ts";
import {
  type Attachment,
  type Availability,
  type FileKind,
  type Guest,
  isEncrypted,
  isServing,
  isTerminal,
  type Kind,
  type Kinds,
  type Network,
  type NetworkSide,
  type Node,
  namedFilesOf,
  OVERLAY_MTU,
  type PortSpec,
  SCHEDULER_OPTION,
  type Secret,
  type Service,
  shortId,
  stateRank,
  type Task,
  taskName,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { keysBetween } from "./tunnel-keys.ts";

/** A task as its node is told it: all but managers' notes and what the node itself reports, so that a report is never echoed. */
export type TaskAssignment = Omit<Task, "version" | "updatedAt" | keyof Notes | keyof Reported>;
type Notes = Pick<Task, "notBefore" | "after" | "crashes" | "restarts" | "replaces">;
type Reported = Pick<Task, "status" | "ranAt" | "endedAt">;

/**
 * Everything one node is told, by key: "self/<id>", "task/<id>", "network/<id>", "node/<id>", "service/<id>", "endpoint/<task id>",
 * "guest/<container id>", "keys/<node id>", "secret/<id>", …
 */
export type AssignmentSet = ReadonlyMap<string, string>;

/** Whom the set is for, and the ids of the networks it is on. */
interface Reader {
  readonly view: View;
  readonly nodeId: string;
  readonly on: ReadonlySet<string>;
  /** Those of them that are encrypted. */
  readonly dark: ReadonlySet<string>;
  /** Keys of the secrets and configs that it may hold. */
  needs(): ReadonlySet<string>;
}

/** A secret or a config as a node is told it. */
export interface FileAssignment {
  readonly id: string;
  /** base64. */
  readonly data: string;
  /** The data is a template, which the node expands for each task. */
  readonly template?: true;
}

/** What a node is told of itself. */
interface SelfAssignment {
  readonly availability: Availability;
}

type Row = readonly [key: string, value: unknown];

/** What one object says to a node, by kind. A task gives up to three rows. */
const ROWS: { readonly [K in Kind]: (reader: Reader, object: Kinds[K]) => Row[] } = {
  cluster: () => [],
  network: ({ on }, network) => (on.has(network.id) ? [[`network/${network.id}`, networkFact(network)]] : []),
  node: nodeRows,
  service: serviceRows,
  task: taskRows,
  guest: guestRows,
  secret: (reader, secret) => fileRows(reader, "secret", secret),
  config: (reader, config) => fileRows(reader, "config", config),
  news: () => [],
};

/** Every key that an object can be told under. */
const KEYS: Readonly<Record<Kind, readonly string[]>> = {
  cluster: [],
  network: ["network"],
  node: ["node", "self", "keys"],
  service: ["service"],
  task: ["task", "attachment", "endpoint"],
  guest: ["attachment", "guest"],
  secret: ["secret"],
  config: ["config"],
  news: [],
};

/**
 * The whole set for one node: its own tasks, and of the networks it is on the peers, services and endpoints.
 * Nothing of other networks, and of other nodes' tasks only name and address (DESIGN section 4). Secrets and configs
 * only while a task of its own that has not ended refers to them; what a task needs comes before it.
 */
export function assignmentsFor(view: View, nodeId: string): AssignmentSet {
  const set = new Map<string, string>();
  const reader = readerOf(view, nodeId);
  if (reader === undefined) return set;
  for (const kind of ["secret", "config", "task", "guest", "network", "node", "service"] as const) {
    for (const object of view.all(kind)) {
      for (const [key, json] of rowsOf(reader, kind, object)) set.set(key, json);
    }
  }
  return set;
}

/** What an object is told as to this node now, by key; a key without text is one that it must not hold (any more). */
export function assignmentsOf<K extends Kind>(
  reader: Reader,
  kind: K,
  id: string,
): Map<string, string | undefined> {
  const rows = new Map<string, string | undefined>(
    KEYS[kind].map((prefix) => [`${prefix}/${id}`, undefined]),
  );
  const object = reader.view.get(kind, id);
  if (object !== undefined) for (const [key, json] of rowsOf(reader, kind, object)) rows.set(key, json);
  return rows;
}

/** The node as a reader; undefined when it is not part of the cluster. */
export function readerOf(view: View, nodeId: string): Reader | undefined {
  const node = view.get("node", nodeId);
  if (node === undefined) return undefined;
  const on = Object.keys(node.attachments).filter((id) => view.get("network", id) !== undefined);
  let needs: ReadonlySet<string> | undefined;
  return {
    ...{ view, nodeId, on: new Set(on), dark: new Set(on.filter((id) => isDark(view, id))) },
    needs() {
      needs ??= new Set([...view.tasksByNode(nodeId)].filter(isLive).flatMap(fileKeysOf));
      return needs;
    },
  };
}

/** It is its node's, and has not ended. */
function isLive(task: Task): boolean {
  return stateRank(task.status.state) >= stateRank("assigned") && !isTerminal(task);
}

/** Under which keys the secrets and configs of a task are told. */
function fileKeysOf(task: Task): string[] {
  return namedFilesOf(task.spec.container).map(({ kind, reference }) => `${kind}/${reference.id}`);
}

function fileRows({ needs }: Reader, kind: FileKind, { id, spec }: Secret): Row[] {
  const key = `${kind}/${id}`;
  const template = spec.templating !== undefined && ({ template: true } as const);
  const fact: FileAssignment = { id, data: spec.data, ...template };
  return needs().has(key) ? [[key, fact]] : [];
}

function rowsOf<K extends Kind>(reader: Reader, kind: K, object: Kinds[K]): [string, string][] {
  return ROWS[kind](reader, object).map(([key, value]) => [key, JSON.stringify(value)]);
}

function isDark(view: View, networkId: string): boolean {
  const network = view.get("network", networkId);
  return network !== undefined && isEncrypted(network.spec);
}

function nodeRows(reader: Reader, node: Node): Row[] {
  const { nodeId, on } = reader;
  const self: SelfAssignment = { availability: node.spec.availability };
  const own: Row[] = node.id === nodeId ? [[`self/${node.id}`, self]] : keyRows(reader, node);
  const addresses = pick(Object.entries(node.attachments), on);
  // One without an IPv4 address cannot be reached, and a node's plan must not fail over it.
  if (isEmpty(addresses) || parseIpv4(node.dataPathAddress) === undefined) return own;
  const fact: NodeFact = { id: node.id, dataPathAddress: node.dataPathAddress, addresses };
  return [...own, [`node/${node.id}`, fact]];
}

/** Keys of the pair, while both are on an encrypted network; not of any other pair, and not what keys are made of. */
function keyRows({ view, nodeId, dark }: Reader, peer: Node): Row[] {
  const ring = view.cluster()?.tunnels;
  const self = view.get("node", nodeId);
  if (ring === undefined || self === undefined || !Object.keys(peer.attachments).some((id) => dark.has(id)))
    return [];
  const keys = keysBetween(ring, self, peer);
  return keys === undefined ? [] : [[`keys/${peer.id}`, keys]];
}

function serviceRows({ on }: Reader, service: Service): Row[] {
  const vips = pick(service.endpoint?.vips.map((v) => [v.networkId, v.address] as const) ?? [], on);
  const vips6 = pick(sixths(service.endpoint?.vips ?? []), on);
  const aliases = pick(
    service.spec.task.networks.map((n) => [n.target, n.aliases] as const),
    on,
  );
  if (isEmpty(vips) && isEmpty(aliases)) return [];
  const fact: ServiceFact = {
    id: service.id,
    name: service.spec.name,
    vips,
    ...(isEmpty(vips6) ? {} : { vips6 }),
    aliases,
    ports: meshPorts(service.endpoint?.ports ?? []),
  };
  return [[`service/${service.id}`, fact]];
}

function meshPorts(ports: readonly PortSpec[]): PortFact[] {
  const published = ports.filter(({ publishMode }) => publishMode === "ingress");
  return published.map(({ protocol, published, target }) => ({ protocol, published, target }));
}

/** An endpoint is a task that takes traffic now; an attachment one that may still send or answer. */
function taskRows({ view, nodeId, on }: Reader, task: Task): Row[] {
  const own: Row[] =
    task.nodeId === nodeId && stateRank(task.status.state) >= stateRank("assigned")
      ? [[`task/${task.id}`, assignmentOf(task)]]
      : [];
  const addresses = pick(
    task.attachments.map((a) => [a.networkId, a.address] as const),
    on,
  );
  if (task.nodeId === undefined || isTerminal(task) || isEmpty(addresses) || isAway(view, task.nodeId))
    return own;
  const addresses6 = pick(sixths(task.attachments), on);
  const place: AttachmentFact = {
    ...{ taskId: task.id, nodeId: task.nodeId, addresses },
    ...(isEmpty(addresses6) ? {} : { addresses6 }),
  };
  const placed: Row[] = [...own, [`attachment/${task.id}`, place]];
  if (!isServing(task)) return placed;
  const ports = meshPorts(task.endpoint.ports);
  const fact: EndpointFact = {
    ...{ ...place, serviceId: task.serviceId, name: taskName(task) },
    ...(ports.length > 0 && { ports }),
  };
  return [...placed, [`endpoint/${task.id}`, fact]];
}

/** A container made by hand may send and answer as long as it is there; to its own node this also says which addresses it got. */
function guestRows({ view, on }: Reader, { id, nodeId, spec, attachments }: Guest): Row[] {
  const places = attachments.filter(({ networkId }) => on.has(networkId));
  if (places.length === 0 || isAway(view, nodeId)) return [];
  const addresses = Object.fromEntries(places.map(({ networkId, address }) => [networkId, address]));
  const addresses6 = Object.fromEntries(sixths(places));
  const six = isEmpty(addresses6) ? {} : { addresses6 };
  const place: AttachmentFact = { taskId: id, nodeId, addresses, ...six };
  const namesOn = spec.networks.map(
    ({ target, aliases }) => [target, [spec.name, ...aliases, shortId(id)]] as const,
  );
  const fact: GuestFact = { id, nodeId, addresses, ...six, names: pick(namesOn, on) };
  return [
    [`attachment/${id}`, place],
    [`guest/${id}`, fact],
  ];
}

/** Nothing can be sent to a node that is down or removed. */
export function isAway(view: View, nodeId: string): boolean {
  const node = view.get("node", nodeId);
  return node === undefined || node.status.state === "down";
}

function pick<V>(entries: Iterable<readonly [string, V]>, on: ReadonlySet<string>): Record<string, V> {
  return Object.fromEntries([...entries].filter(([id]) => on.has(id)));
}

/** Network id to IPv6 address, where there is one. */
function sixths(places: readonly Attachment[]): [string, string][] {
  return places.flatMap(({ networkId, address6 }) =>
    address6 === undefined ? [] : [[networkId, address6] as [string, string]],
  );
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(record).length === 0;
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
    crashes: _c,
    restarts: _t,
    replaces: _p,
    ...rest
  } = task;
  return rest;
}

function networkFact(network: Network): NetworkFact {
  const { v6 } = network.state ?? {};
  const scheduler = network.spec.driverOptions[SCHEDULER_OPTION];
  const mtu = Number(network.spec.driverOptions["com.docker.network.driver.mtu"] ?? 1500);
  return {
    id: network.id,
    name: network.spec.name,
    vni: network.state?.vni ?? 0,
    ...(network.state === undefined ? { subnet: "", gateway: "" } : sideFact(network.state)),
    mtu: mtu - (1500 - OVERLAY_MTU),
    ingress: network.spec.ingress,
    internal: network.spec.internal,
    ...(isEncrypted(network.spec) && { encrypted: true }),
    ...(scheduler !== undefined && { scheduler }),
    ...(v6 !== undefined && { v6: sideFact(v6) }),
  };
}

/** Without what only the allocator has to know. */
function sideFact(side: NetworkSide): SideFact {
  const [first, ...more] = subnetsOf(side).map(({ subnet, gateway }) => ({ subnet, gateway }));
  return { ...(first ?? side), ...(more.length > 0 && { more }) };
}
