import { Fault } from "../../lib/index.ts";
import { containerInspect, containerSummary, parseFilters, taskToWire } from "../../wire/index.ts";
import type { Backends, ImageInfo, LocatedContainer } from "../backends.ts";
import { logStream, parseLogQuery } from "../log-query.ts";
import { type ApiRequest, type ApiResponse, flag, json, param, type Route } from "../route.ts";
import { CONTAINER_FILTERS, listContainers } from "./container-filters.ts";
import { networksById } from "./services.ts";

/** All images by id: what containers expose is the image's word. */
async function imagesById({ images }: Backends): Promise<ReadonlyMap<string, ImageInfo>> {
  return new Map((await images.list()).map((image) => [image.id, image]));
}

async function list({ query, clock }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const limit = Number(query.get("limit") ?? 0) || 0;
  const filters = parseFilters(query.get("filters"), CONTAINER_FILTERS);
  const [all, images] = await Promise.all([backends.containers.list(), imagesById(backends)]);
  const chosen = listContainers(all, images, { all: flag(query, "all") || limit > 0, limit, filters });
  const now = clock.now();
  return json(
    200,
    chosen.map((container) => containerSummary(container, { now, image: images.get(container.imageId) })),
  );
}

/**
 * GET /containers/{id}/json. `docker exec` looks here whether there is a container, and `docker inspect` before it looks for tasks: one
 * that is named by a task's words is both, and shows both. When the container cannot be shown, the task is.
 */
async function inspect(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const located = await backends.containers.locate(param(request, "id"));
  const { task } = located;
  if (task === undefined) return json(200, await shownOf(located, request, backends));
  const shown = await shownOf(located, request, backends).catch((error: unknown) => {
    if (error instanceof Fault) return {};
    throw error;
  });
  return json(200, { ...shown, ...taskToWire(task, networksById(backends.manager())) });
}

async function shownOf(
  located: LocatedContainer,
  { signal }: ApiRequest,
  backends: Backends,
): Promise<object> {
  if (located.kind === "elsewhere") return located.inspect(signal);
  const { container } = located;
  return containerInspect(container, (await imagesById(backends)).get(container.imageId));
}

async function logs(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const options = parseLogQuery(request.query);
  const { id, config } = await containers.get(param(request, "id"));
  if (config.logDriver === "none") {
    throw new Fault("unsupported", "configured logging driver does not support reading");
  }
  return logStream(containers.logs(id, options, request.signal), {
    tty: config.tty,
    timestamps: flag(request.query, "timestamps"),
    version: request.version,
  });
}

/** The containers of this node. */
export const containerRoutes: readonly Route[] = [
  { method: "GET", path: "/containers/json", handle: list },
  { method: "GET", path: "/containers/:id/json", handle: inspect },
  { method: "GET", path: "/containers/:id/logs", handle: logs },
];
