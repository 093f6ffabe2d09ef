import { Fault } from "../../lib/index.ts";
import { type BridgeSpec, isPredefined } from "../../model/index.ts";
import {
  bridgeSpecFromWire,
  type Filters,
  isBridgeWanted,
  labelsFit,
  networkSpecFromWire,
  parseFilters,
  partFits,
  someFits,
  wantedDriver,
} from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, json, param, type Route } from "../route.ts";
import { connectNetwork, disconnectNetwork } from "./network-connect.ts";
import { inspectNetwork } from "./network-inspect.ts";
import { pruneNetworks } from "./network-prune.ts";
import { allNetworks, findNetwork, type Listed, managerOf } from "./network-search.ts";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

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

/** What came with the node, and what somebody made. */
function typeOf({ builtin }: Listed): "builtin" | "custom" {
  return builtin ? "builtin" : "custom";
}

function isYes(value: string): boolean {
  if (["1", "true"].includes(value)) return true;
  if (["0", "false"].includes(value)) return false;
  throw new Fault("invalid", `invalid value for filter 'dangling': "${value}"`);
}

/** Networks that a service, a task or a container is on, and those that came with the node. */
function usedNetworks(backends: Backends): Set<string> {
  const manager = managerOf(backends);
  const ofServices = manager?.services.list().flatMap((s) => s.spec.task.networks.map((n) => n.target));
  const ofTasks = manager?.tasks.list().flatMap((t) => t.attachments.map((a) => a.networkId));
  const ofGuests = manager?.guests.list().flatMap((g) => g.attachments.map((a) => a.networkId));
  return new Set([
    ...(ofServices ?? []),
    ...(ofTasks ?? []),
    ...(ofGuests ?? []),
    ...allNetworks(backends).flatMap(({ id, inUse, scope }) => (inUse && scope === "local" ? [id] : [])),
  ]);
}

async function create(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const body = await request.json();
  const driver = wantedDriver(body);
  if (driver === "overlay") requireManager(backends);
  if (isBridgeWanted(driver)) return createBridge(bridgeSpecFromWire(body), backends);
  const spec = networkSpecFromWire(body);
  refuseNamesake(
    backends.networks.list().filter(({ custom }) => custom),
    spec.name,
  );
  const network = await backends.manager().networks.create(spec);
  return json(201, { Id: network.id, Warning: "" });
}

/** One name is one network's, in the cluster and on the node (moby daemon/network.go). */
async function createBridge(spec: BridgeSpec, backends: Backends): Promise<ApiResponse> {
  refuseNamesake(allNetworks(backends), spec.name);
  const { id } = await backends.networks.create(spec);
  return json(201, { Id: id, Warning: "" });
}

function refuseNamesake(others: readonly { readonly name: string }[], wanted: string): void {
  if (others.some(({ name }) => name === wanted))
    throw new Fault("exists", `network with name ${wanted} already exists`);
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
  const { id, name, scope, fixed } = findNetwork(backends, param(request, "id"), "");
  if (fixed || isPredefined(id)) {
    throw new Fault("forbidden", `${name} is a pre-defined network and cannot be removed`);
  }
  if (scope === "local") await backends.networks.remove(id);
  else await backends.manager().networks.remove(id);
  return empty(204);
}

/** Networks of the cluster and of this node. */
export const networkRoutes: readonly Route[] = [
  { method: "GET", path: "/networks", handle: list },
  { method: "POST", path: "/networks/create", handle: create },
  { method: "GET", path: "/networks/:id", handle: inspectNetwork },
  { method: "DELETE", path: "/networks/:id", handle: remove },
  { method: "POST", path: "/networks/prune", handle: pruneNetworks },
  { method: "POST", path: "/networks/:id/connect", handle: connectNetwork },
  { method: "POST", path: "/networks/:id/disconnect", handle: disconnectNetwork },
];
