import { Fault } from "../../lib/index.ts";
import {
  isPredefined,
  type Network,
  PREDEFINED_NETWORKS,
  type PredefinedNetwork,
} from "../../model/index.ts";
import {
  type Filters,
  labelsFit,
  localNetworkToWire,
  networkSpecFromWire,
  networkToWire,
  parseFilters,
  partFits,
  someFits,
  wantedDriver,
} from "../../wire/index.ts";
import type { Backends, LocalNetwork, ManagerBackend } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, json, param, type Route } from "../route.ts";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** A network as it is listed: the cluster's, or one that this node knows by itself. */
interface Listed {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly scope: "local" | "swarm";
  readonly labels: Readonly<Record<string, string>>;
  readonly wire: Record<string, unknown>;
}

function ofCluster(network: Network): Listed {
  const { name, driver, labels } = network.spec;
  return { id: network.id, name, driver, scope: "swarm", labels, wire: networkToWire(network) };
}

function ofNode(network: LocalNetwork): Listed {
  const { id, name, driver, scope } = network;
  return { id, name, driver, scope, labels: {}, wire: localNetworkToWire(network) };
}

/** What Swarm calls a network, and every node has of its own. Found by name, but not listed, as with Docker. */
function ofEveryNode({ id, name }: PredefinedNetwork): Listed {
  const nothing = { subnet: "", gateway: "", internal: false, ingress: false };
  return ofNode({ id, name, driver: name, scope: "swarm", ...nothing });
}

/** The control, on a manager; elsewhere undefined, for what a node can say without it. */
function managerOf(backends: Backends): ManagerBackend | undefined {
  const { isManager, state } = backends.swarm.state();
  return isManager && state === "active" ? backends.manager() : undefined;
}

/** A manager tells of all networks of the cluster; a worker of the overlays it is on. */
function allNetworks(backends: Backends): Listed[] {
  const cluster = managerOf(backends)?.networks.list().map(ofCluster) ?? [];
  const known = new Set(cluster.map(({ id }) => id));
  const local = backends.networks.list().filter(({ id }) => !known.has(id));
  return [...cluster, ...local.map(ofNode)];
}

async function list({ query }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const filters = parseFilters(query.get("filters"), FILTERS);
  const fits = fitsOf(filters, backends);
  return json(
    200,
    allNetworks(backends)
      .filter(fits)
      .map(({ wire }) => wire),
  );
}

function fitsOf(filters: Filters, backends: Backends): (network: Listed) => boolean {
  const used = filters.has("dangling") ? usedNetworks(backends) : new Set<string>();
  return (network) =>
    someFits(filters, "id", (id) => partFits(network.id, id)) &&
    someFits(filters, "name", (name) => partFits(network.name, name)) &&
    someFits(filters, "driver", (driver) => network.driver === driver) &&
    someFits(filters, "scope", (scope) => network.scope === scope) &&
    someFits(filters, "type", (type) => typeOf(network) === type) &&
    someFits(filters, "dangling", (value) => used.has(network.id) !== isYes(value)) &&
    labelsFit(filters, "label", network.labels);
}

/** The node's own bridge came with the node; all else somebody made. */
function typeOf({ scope }: Listed): "builtin" | "custom" {
  return scope === "local" ? "builtin" : "custom";
}

function isYes(value: string): boolean {
  if (["1", "true"].includes(value)) return true;
  if (["0", "false"].includes(value)) return false;
  throw new Fault("invalid", `invalid value for filter 'dangling': "${value}"`);
}

/** Networks that a service or a task is on, and those of the node itself. */
function usedNetworks(backends: Backends): Set<string> {
  const manager = managerOf(backends);
  const ofServices = manager?.services.list().flatMap((s) => s.spec.task.networks.map((n) => n.target));
  const ofTasks = manager?.tasks.list().flatMap((t) => t.attachments.map((a) => a.networkId));
  return new Set([
    ...(ofServices ?? []),
    ...(ofTasks ?? []),
    ...backends.networks.list().map((network) => network.id),
  ]);
}

/** By id, else by name, else by a unique beginning of the id. Faults in Docker's words. */
function findNetwork(backends: Backends, ref: string, scope: string): Listed {
  const predefined = managerOf(backends) === undefined ? [] : PREDEFINED_NETWORKS.map(ofEveryNode);
  const all = [...allNetworks(backends), ...predefined].filter(
    (network) => scope === "" || network.scope === scope,
  );
  const found = [
    all.filter(({ id }) => id === ref),
    all.filter(({ name }) => name === ref),
    all.filter(({ id }) => ref !== "" && id.startsWith(ref)),
  ].find((matches) => matches.length > 0);
  const [one] = found ?? [];
  if (one === undefined) throw new Fault("not-found", `network ${ref} not found`);
  if (found !== undefined && found.length > 1) {
    throw new Fault("invalid", `network ${ref} is ambiguous (${found.length} matches found)`);
  }
  return one;
}

async function inspect(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const scope = request.query.get("scope") ?? "";
  return json(200, findNetwork(backends, param(request, "id"), scope).wire);
}

async function create(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const body = await request.json();
  if (wantedDriver(body) === "overlay") requireManager(backends);
  const spec = networkSpecFromWire(body);
  const network = await backends.manager().networks.create(spec);
  return json(201, { Id: network.id, Warning: "" });
}

/** Docker answers 403 here, and not its usual 503 (moby daemon/network.go, libnetwork/controller.go). */
function requireManager({ swarm }: Backends): void {
  const { isManager, state } = swarm.state();
  if (isManager) return;
  throw new Fault(
    "forbidden",
    state === "active"
      ? "Cannot create a multi-host network from a worker node. Please create the network from a manager node."
      : 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

async function remove(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { id, name, scope } = findNetwork(backends, param(request, "id"), "");
  if (scope === "local" || isPredefined(id)) {
    throw new Fault("forbidden", `${name} is a pre-defined network and cannot be removed`);
  }
  await backends.manager().networks.remove(id);
  return empty(204);
}

function unserved(what: string): Route["handle"] {
  return async () => {
    throw new Fault("unsupported", `${what} is not supported yet`);
  };
}

/** Networks of the cluster and of this node. */
export const networkRoutes: readonly Route[] = [
  { method: "GET", path: "/networks", handle: list },
  { method: "POST", path: "/networks/create", handle: create },
  { method: "GET", path: "/networks/:id", handle: inspect },
  { method: "DELETE", path: "/networks/:id", handle: remove },
  { method: "POST", path: "/networks/prune", handle: unserved("removing unused networks") },
  { method: "POST", path: "/networks/:id/connect", handle: unserved("connecting a container to a network") },
  {
    method: "POST",
    path: "/networks/:id/disconnect",
    handle: unserved("disconnecting a container from a network"),
  },
];
