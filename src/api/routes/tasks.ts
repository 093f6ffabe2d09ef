import { Fault } from "../../lib/index.ts";
import { TASK_STATES, type Task, taskName } from "../../model/index.ts";
import {
  type Filters,
  filterValues,
  labelsFit,
  parseFilters,
  someFits,
  taskToWire,
} from "../../wire/index.ts";
import type { Backends, ManagerBackend } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json, param, type Route } from "../route.ts";
import { serviceLogs } from "../service-logs.ts";
import { networksById } from "./services.ts";

const FILTERS = ["_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service"];

async function list({ query }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const filters = parseFilters(query.get("filters"), FILTERS);
  const fits = fitsOf(manager, filters);
  const networks = networksById(manager);
  return json(
    200,
    manager.tasks
      .list()
      .filter(fits)
      .map((task) => taskToWire(task, networks)),
  );
}

/** Services and nodes may be named in any way; naming one that does not exist is a 404, as in Docker. */
function fitsOf(manager: ManagerBackend, filters: Filters): (task: Task) => boolean {
  const services = new Set(filterValues(filters, "service").map((ref) => manager.services.get(ref).id));
  const nodes = new Set(filterValues(filters, "node").map((ref) => manager.nodes.get(ref).id));
  const states = statesOf(filters);
  const current = filterValues(filters, "_up-to-date").includes("true");
  return (task) =>
    (services.size === 0 || services.has(task.serviceId)) &&
    (nodes.size === 0 || (task.nodeId !== undefined && nodes.has(task.nodeId))) &&
    someFits(filters, "id", (id) => task.id.startsWith(id)) &&
    someFits(filters, "name", (name) => taskName(task).startsWith(name)) &&
    (states.size === 0 || states.has(task.desiredState)) &&
    someFits(filters, "runtime", (runtime) => runtime === "container") &&
    labelsFit(filters, "label", task.serviceLabels) &&
    (!current || manager.tasks.isUpToDate(task));
}

/** Any state's word is accepted, in any case, though no task is ever asked to be, say, "failed" (moby cluster/filters.go). */
function statesOf(filters: Filters): ReadonlySet<string> {
  const words = filterValues(filters, "desired-state").filter((word) => word !== "");
  const wrong = words.find((word) => !TASK_STATES.some((state) => state === word.toLowerCase()));
  if (wrong !== undefined) throw new Fault("invalid", `Invalid desired-state filter: '${wrong}'`);
  return new Set(words.map((word) => word.toLowerCase()));
}

async function inspect(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  return json(200, taskToWire(manager.tasks.get(param(request, "id")), networksById(manager)));
}

async function logs(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const task = manager.tasks.get(param(request, "id"));
  return serviceLogs(request, manager, { taskId: task.id }, task.spec.container.tty);
}

/** Runs of services on nodes. */
export const taskRoutes: readonly Route[] = [
  { method: "GET", path: "/tasks", handle: list },
  { method: "GET", path: "/tasks/:id", handle: inspect },
  { method: "GET", path: "/tasks/:id/logs", handle: logs },
];
