import { Fault } from "../../lib/index.ts";
import { fileChangesToWire, pathStatHeader } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, param, type Route, stream } from "../route.ts";

const STAT_HEADER = "X-Docker-Container-Path-Stat";

/** Fault "invalid" in Docker's words (moby api/server/httputils/form.go ArchiveFormValues). */
function pathOf({ query }: ApiRequest): string {
  const path = query.get("path") ?? "";
  if (path === "") throw new Fault("invalid", "bad parameter: path cannot be empty");
  if (path.includes("\0")) throw new Fault("invalid", "bad parameter: path has a byte that no path has");
  return path;
}

async function stat(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const found = await containers.trees.stat(param(request, "id"), pathOf(request));
  return { ...empty(200), headers: { [STAT_HEADER]: pathStatHeader(found) } };
}

async function read(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const packed = await containers.trees.read(param(request, "id"), pathOf(request), request.signal);
  return {
    ...stream("application/x-tar", packed.archive),
    headers: { [STAT_HEADER]: pathStatHeader(packed.stat) },
  };
}

async function write(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const { query, body, signal } = request;
  const how = { keepsKinds: flag(query, "noOverwriteDirNonDir"), asUser: flag(query, "copyUIDGID") };
  await containers.trees.write(param(request, "id"), pathOf(request), body, how, signal);
  return empty(200);
}

async function exportAll(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const archive = await containers.trees.export(param(request, "id"), request.signal);
  return stream("application/octet-stream", archive);
}

async function changes(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  return json(200, fileChangesToWire(await containers.trees.changes(param(request, "id"))));
}

/** Files of the containers of this node: `docker cp`, `export` and `diff`. */
export const archiveRoutes: readonly Route[] = [
  { method: "HEAD", path: "/containers/:id/archive", handle: stat },
  { method: "GET", path: "/containers/:id/archive", handle: read },
  { method: "PUT", path: "/containers/:id/archive", handle: write },
  { method: "GET", path: "/containers/:id/export", handle: exportAll },
  { method: "GET", path: "/containers/:id/changes", handle: changes },
];
