import { Fault } from "../../lib/index.ts";
import {
  distributionToWire,
  imageHistory,
  imageInspect,
  imageSummary,
  parseFilters,
} from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { jsonLines } from "../json-lines.ts";
import { registryAuthOf } from "../registry-auth.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, param, type Route, stream } from "../route.ts";
import { IMAGE_FILTERS, listImages } from "./image-filters.ts";
import { pruneImages } from "./prune.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";

async function list({ query }: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  const filters = parseFilters(query.get("filters"), IMAGE_FILTERS);
  return json(200, listImages(await images.list(), filters).map(imageSummary));
}

async function load(request: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  const loaded = await images.load(request.body, request.signal);
  async function* lines(): AsyncGenerator<unknown> {
    for (const { name, id } of loaded) {
      yield { stream: name === undefined ? `Loaded image ID: ${id}\n` : `Loaded image: ${name}\n` };
    }
  }
  return jsonLines(lines());
}

async function tag(request: ApiRequest, { images }: Backends, name: string): Promise<ApiResponse> {
  const [repo, word] = [request.query.get("repo") ?? "", request.query.get("tag") ?? ""];
  await images.tag(name, word === "" ? repo : `${repo}:${word}`);
  return empty(201);
}

async function remove(request: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  const removed = await images.remove(param(request, "*"), flag(request.query, "force"));
  return json(
    200,
    removed.map((row) => ("untagged" in row ? { Untagged: row.untagged } : { Deleted: row.deleted })),
  );
}

async function distribution(request: ApiRequest, { images }: Backends, name: string): Promise<ApiResponse> {
  return json(200, distributionToWire(await images.distribution(name, registryAuthOf(request.headers))));
}

type NamedHandler = (request: ApiRequest, backends: Backends, name: string) => Promise<ApiResponse>;

/** An image's name has slashes, so what to do stands after the last one: "/images/library/redis:3.2/json". */
function bySuffix(handlers: Readonly<Record<string, NamedHandler>>): Route["handle"] {
  return async (request, backends) => {
    const rest = param(request, "*");
    const slash = rest.lastIndexOf("/");
    const handle = slash > 0 ? handlers[rest.slice(slash + 1)] : undefined;
    if (handle === undefined) throw new Fault("not-found", "page not found");
    return handle(request, backends, rest.slice(0, slash));
  };
}

const TAR = "application/x-tar";

/** GET /images/get?names=a&names=b */
async function saveAll({ query }: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  return stream(TAR, await images.save(query.getAll("names")));
}

const saveOne: NamedHandler = async (_, { images }, name) => stream(TAR, await images.save([name]));

const inspect: NamedHandler = async (_, { images }, name) =>
  json(200, imageInspect(await images.inspect(name)));

const history: NamedHandler = async (_, { images }, name) =>
  json(200, imageHistory(await images.inspect(name)));

/** The images of this node, and what registries say of theirs. */
export const imageRoutes: readonly Route[] = [
  { method: "GET", path: "/images/json", handle: list },
  {
    method: "GET",
    path: "/images/*",
    handle: bySuffix({ json: inspect, history, get: saveOne }),
  },
  { method: "GET", path: "/images/get", handle: saveAll },
  { method: "POST", path: "/images/create", handle: pull },
  { method: "POST", path: "/images/prune", handle: pruneImages },
  { method: "POST", path: "/images/load", handle: load },
  { method: "POST", path: "/images/*", handle: bySuffix({ tag, push }) },
  { method: "DELETE", path: "/images/*", handle: remove },
  { method: "GET", path: "/distribution/*", handle: bySuffix({ json: distribution }) },
];
