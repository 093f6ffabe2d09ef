import {
  labelsFit,
  parseFilters,
  partFits,
  readVolumeRequest,
  someFits,
  volumeToWire,
} from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, param, type Route } from "../route.ts";
import { isTrue } from "./container-filters.ts";
import { pruneVolumes, usedVolumes } from "./prune.ts";

async function list({ query }: ApiRequest, { volumes, containers }: Backends): Promise<ApiResponse> {
  const filters = parseFilters(query.get("filters"), ["name", "label", "dangling", "driver"]);
  const [all, users] = await Promise.all([volumes.list(), containers.list()]);
  const used = usedVolumes(users);
  const chosen = all.filter(
    (volume) =>
      labelsFit(filters, "label", volume.labels) &&
      someFits(filters, "name", (value) => partFits(volume.name, value)) &&
      someFits(filters, "driver", (value) => volume.driver === value) &&
      someFits(filters, "dangling", (value) => !used.has(volume.name) === isTrue("dangling", value)),
  );
  return json(200, { Volumes: chosen.map(volumeToWire), Warnings: null });
}

async function inspect(request: ApiRequest, { volumes }: Backends): Promise<ApiResponse> {
  return json(200, volumeToWire(await volumes.get(param(request, "name"))));
}

async function create(request: ApiRequest, { volumes }: Backends): Promise<ApiResponse> {
  return json(201, volumeToWire(await volumes.create(readVolumeRequest(await request.json()))));
}

async function remove(request: ApiRequest, { volumes }: Backends): Promise<ApiResponse> {
  await volumes.remove(param(request, "name"), flag(request.query, "force"));
  return empty(204);
}

/** The volumes of this node. */
export const volumeRoutes: readonly Route[] = [
  { method: "GET", path: "/volumes", handle: list },
  { method: "GET", path: "/volumes/:name", handle: inspect },
  { method: "POST", path: "/volumes/create", handle: create },
  { method: "POST", path: "/volumes/prune", handle: pruneVolumes },
  { method: "DELETE", path: "/volumes/:name", handle: remove },
];
