import { Fault } from "../../lib/index.ts";
import type { Network, Service, ServiceSpec, Task } from "../../model/index.ts";
import {
  type Filters,
  labelsFit,
  parseFilters,
  serviceSpecFromWire,
  serviceStatus,
  serviceStatusToWire,
  serviceToWire,
  someFits,
} from "../../wire/index.ts";
import type { Backends, ManagerBackend } from "../backends.ts";
import { JsonTexts } from "../json-texts.ts";
import { choiceOf, versionOf } from "../query.ts";
import { registryAuthOf } from "../registry-auth.ts";
import {
  type ApiRequest,
  type ApiResponse,
  empty,
  flag,
  json,
  jsonList,
  param,
  type Route,
} from "../route.ts";
import { serviceLogs } from "../service-logs.ts";
import { updateBody } from "../update-body.ts";

const FILTERS = ["id", "label", "mode", "name", "runtime"];

async function list({ query }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const filters = parseFilters(query.get("filters"), FILTERS);
  const services = manager.services.list().filter((service) => fits(service, filters));
  const networks = networksById(manager);
  const tasks = flag(query, "status") ? tasksByService(manager) : undefined;
  return jsonList(
    200,
    services.map((service) => {
      const text = TEXTS.of(service, besides(service, networks), () => serviceToWire(service, { networks }));
      if (tasks === undefined) return text;
      const status = serviceStatusToWire(serviceStatus(service, tasks.get(service.id) ?? []));
      return `${text.slice(0, -1)},"ServiceStatus":${JSON.stringify(status)}}`;
    }),
  );
}

const TEXTS = new JsonTexts<Service>();

/** What a service is shown with: the networks of its VIPs. */
function besides({ endpoint }: Service, networks: ReadonlyMap<string, Network>): unknown[] {
  return (endpoint?.vips ?? []).map(({ networkId }) => networks.get(networkId));
}

function fits(service: Service, filters: Filters): boolean {
  const { name, labels, mode } = service.spec;
  return (
    someFits(filters, "id", (id) => service.id.startsWith(id)) &&
    someFits(filters, "name", (part) => name.startsWith(part)) &&
    someFits(filters, "mode", (kind) => mode.kind === kind) &&
    someFits(filters, "runtime", (runtime) => runtime === "container") &&
    labelsFit(filters, "label", labels)
  );
}

function tasksByService(manager: ManagerBackend): Map<string, Task[]> {
  const byService = new Map<string, Task[]>();
  for (const task of manager.tasks.list()) {
    const tasks = byService.get(task.serviceId);
    if (tasks === undefined) byService.set(task.serviceId, [task]);
    else tasks.push(task);
  }
  return byService;
}

/** The cluster's networks by id: what addresses need to be shown with their prefix. */
export function networksById(manager: ManagerBackend): Map<string, Network> {
  return new Map(manager.networks.list().map((network) => [network.id, network]));
}

async function inspect(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const service = manager.services.get(param(request, "id"));
  const defaults = flag(request.query, "insertDefaults");
  return json(200, serviceToWire(service, { networks: networksById(manager), defaults }));
}

async function create(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const service = await manager.services.create(specOf(request, await request.json(), backends));
  return json(201, { ID: service.id, Warnings: null });
}

/** The spec in the body, with the credentials in the header. */
function specOf({ headers }: ApiRequest, body: unknown, backends: Backends): ServiceSpec {
  const spec = serviceSpecFromWire(body);
  checkScopes(spec, backends);
  const registryAuth = registryAuthOf(headers);
  if (registryAuth === undefined) return spec;
  return { ...spec, task: { ...spec.task, container: { ...spec.task.container, registryAuth } } };
}

/** A node's own networks are no networks for services (moby daemon/cluster/services.go, populateNetworkID). */
function checkScopes(spec: ServiceSpec, { networks }: Backends): void {
  const local = networks.list().filter((network) => network.scope === "local");
  for (const { target } of spec.task.networks) {
    if (!local.some(({ id, name }) => id === target || name === target)) continue;
    const what = `The network ${target} cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.`;
    throw new Fault("forbidden", what);
  }
}

async function update(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const { query } = request;
  const ref = param(request, "id");
  const version = versionOf(query, "service");
  const authFrom = choiceOf(query, "registryAuthFrom", ["spec", "previous-spec"]);
  const rollback = choiceOf(query, "rollback", ["none", "previous"]);
  // With rollback the body repeats the current spec, and Swarm puts the previous one in its place.
  const spec = specOf(request, await updateBody(request), backends);
  if (rollback === "previous") await manager.services.rollback(ref, version);
  else await manager.services.update(ref, version, spec, { authFrom });
  return json(200, { Warnings: null });
}

async function remove(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  await backends.manager().services.remove(param(request, "id"));
  return empty(200);
}

async function logs(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const service = manager.services.get(param(request, "id"));
  return serviceLogs(request, manager, { serviceId: service.id }, service.spec.task.container.tty);
}

/** What should run. */
export const serviceRoutes: readonly Route[] = [
  { method: "GET", path: "/services", handle: list },
  { method: "POST", path: "/services/create", handle: create },
  { method: "GET", path: "/services/:id", handle: inspect },
  { method: "POST", path: "/services/:id/update", handle: update },
  { method: "DELETE", path: "/services/:id", handle: remove },
  { method: "GET", path: "/services/:id/logs", handle: logs },
];
