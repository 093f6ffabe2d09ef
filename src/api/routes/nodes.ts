import { Fault } from "../../lib/index.ts";
import type { Node } from "../../model/index.ts";
import {
  type Filters,
  filterValues,
  labelsFit,
  nodeSpecFromWire,
  nodeToWire,
  parseFilters,
  someFits,
  tlsInfoToWire,
} from "../../wire/index.ts";
import type { Backends, ManagerBackend } from "../backends.ts";
import { versionOf } from "../query.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, param, type Route } from "../route.ts";
import { updateBody } from "../update-body.ts";

const FILTERS = ["id", "label", "membership", "name", "node.label", "role"];

async function list({ query }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const filters = parseFilters(query.get("filters"), FILTERS);
  checkValues(filters, "role", ["worker", "manager"]);
  checkValues(filters, "membership", ["accepted", "pending"]);
  const nodes = manager.nodes.list().filter((node) => fits(node, filters));
  return json(200, nodes.map(wireOf(manager)));
}

function checkValues(filters: Filters, key: string, accepted: readonly string[]): void {
  const wrong = filterValues(filters, key).find((value) => !accepted.includes(value));
  if (wrong !== undefined) throw new Fault("invalid", `Invalid ${key} filter: '${wrong}'`);
}

function fits(node: Node, filters: Filters): boolean {
  return (
    someFits(filters, "id", (id) => node.id.startsWith(id)) &&
    someFits(filters, "name", (name) => (node.description?.hostname ?? "").startsWith(name)) &&
    someFits(filters, "role", (role) => node.role === role) &&
    // Whoever joins is accepted at once.
    someFits(filters, "membership", (membership) => membership === "accepted") &&
    labelsFit(filters, "label", node.description?.engineLabels ?? {}) &&
    labelsFit(filters, "node.label", node.spec.labels)
  );
}

function wireOf(manager: ManagerBackend): (node: Node) => Record<string, unknown> {
  const { certificatePem } = manager.cluster.get().rootCa;
  const view = { leaderId: manager.leaderId(), tls: tlsInfoToWire(certificatePem) };
  return (node) => nodeToWire(node, view);
}

async function inspect(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  return json(200, wireOf(manager)(manager.nodes.get(param(request, "id"))));
}

async function update(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const version = versionOf(request.query, "node");
  await manager.nodes.update(param(request, "id"), version, nodeSpecFromWire(await updateBody(request)));
  return empty(200);
}

async function remove(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  await backends.manager().nodes.remove(param(request, "id"), flag(request.query, "force"));
  return empty(200);
}

/** The machines of the cluster. */
export const nodeRoutes: readonly Route[] = [
  { method: "GET", path: "/nodes", handle: list },
  { method: "GET", path: "/nodes/:id", handle: inspect },
  { method: "POST", path: "/nodes/:id/update", handle: update },
  { method: "DELETE", path: "/nodes/:id", handle: remove },
];
