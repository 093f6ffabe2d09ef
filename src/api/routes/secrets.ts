import type { FileKind, Secret } from "../../model/index.ts";
import {
  type Filters,
  labelsFit,
  parseFilters,
  secretSpecFromWire,
  secretToWire,
  secretUpdateFromWire,
  someFits,
} from "../../wire/index.ts";
import type { Backends, FileBackend } from "../backends.ts";
import { versionOf } from "../query.ts";
import { empty, json, param, type Route } from "../route.ts";
import { updateBody } from "../update-body.ts";

const FILTERS = ["id", "label", "name", "names"];

function fits({ id, spec }: Secret, filters: Filters): boolean {
  return (
    someFits(filters, "id", (start) => id.startsWith(start)) &&
    someFits(filters, "name", (start) => spec.name.startsWith(start)) &&
    someFits(filters, "names", (name) => spec.name === name) &&
    labelsFit(filters, "label", spec.labels)
  );
}

function routesOf(kind: FileKind, control: (backends: Backends) => FileBackend): Route[] {
  const list: Route["handle"] = async ({ query }, backends) => {
    const all = control(backends).list();
    const filters = parseFilters(query.get("filters"), FILTERS);
    return json(
      200,
      all.filter((one) => fits(one, filters)).map((one) => secretToWire(kind, one)),
    );
  };
  const create: Route["handle"] = async (request, backends) => {
    const created = await control(backends).create(secretSpecFromWire(kind, await request.json()));
    return json(201, { ID: created.id });
  };
  const inspect: Route["handle"] = async (request, backends) =>
    json(200, secretToWire(kind, control(backends).get(param(request, "id"))));
  const update: Route["handle"] = async (request, backends) => {
    const files = control(backends);
    const version = versionOf(request.query, kind);
    await files.update(param(request, "id"), version, secretUpdateFromWire(kind, await updateBody(request)));
    return empty(200);
  };
  const remove: Route["handle"] = async (request, backends) => {
    await control(backends).remove(param(request, "id"));
    return empty(204);
  };
  return [
    { method: "GET", path: `/${kind}s`, handle: list },
    { method: "POST", path: `/${kind}s/create`, handle: create },
    { method: "GET", path: `/${kind}s/:id`, handle: inspect },
    { method: "DELETE", path: `/${kind}s/:id`, handle: remove },
    { method: "POST", path: `/${kind}s/:id/update`, handle: update },
  ];
}

/** Secrets and configs: files of the cluster that tasks refer to. */
export const secretRoutes: readonly Route[] = [
  ...routesOf("secret", (backends) => backends.manager().secrets),
  ...routesOf("config", (backends) => backends.manager().configs),
];
