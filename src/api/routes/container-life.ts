import { Fault } from "../../lib/index.ts";
import { graceOf, parseFilters, pruneTest, runChangeFromWire, runSpecFromWire } from "../../wire/index.ts";
import type { Backends, StopWords, WaitCondition } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, param, type Route, stream } from "../route.ts";
import { checkAttachable, isByHand } from "./network-connect.ts";

const NOT_MODIFIED = 304;

async function create(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const spec = runSpecFromWire(await request.json());
  for (const { ref } of spec.networks) checkAttachable(backends, ref);
  const id = await backends.containers.create(spec, request.query.get("name") ?? "");
  return json(201, { Id: id, Warnings: [] });
}

async function start(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  return empty((await containers.start(param(request, "id"))) ? 204 : NOT_MODIFIED);
}

async function stop(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const stopped = await containers.stop(param(request, "id"), stopWords(request));
  return empty(stopped ? 204 : NOT_MODIFIED);
}

async function restart(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.restart(param(request, "id"), stopWords(request));
  return empty(204);
}

/** `t` in seconds, and since API 1.42 `signal`. */
function stopWords({ query }: ApiRequest): StopWords {
  const [t, signal] = [query.get("t") ?? "", query.get("signal") ?? ""];
  if (t !== "" && !/^-?\d{1,9}$/.test(t)) {
    throw new Fault("invalid", `strconv.Atoi: parsing "${t}": invalid syntax`);
  }
  return { ...(t !== "" && { graceMs: graceOf(Number(t)) }), ...(signal !== "" && { signal }) };
}

async function kill(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const ref = param(request, "id");
  try {
    await containers.kill(ref, request.query.get("signal") || "KILL");
  } catch (error) {
    // Its CLI passes on Docker's whole sentence.
    if (!Fault.is(error, "conflict")) throw error;
    throw new Fault("conflict", `cannot kill container: ${ref}: ${(error as Fault).message}`);
  }
  return empty(204);
}

async function pause(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.pause(param(request, "id"));
  return empty(204);
}

async function unpause(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.unpause(param(request, "id"));
  return empty(204);
}

/** GET /containers/{id}/top: `ps_args`, Docker's "-ef" when absent. */
async function top(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const args = request.query.get("ps_args") || "-ef";
  const { titles, processes } = await containers.top(param(request, "id"), args, request.signal);
  return json(200, { Titles: titles, Processes: processes });
}

async function rename(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const name = request.query.get("name") ?? "";
  if (name === "") throw new Fault("invalid", "Neither old nor new names may be empty");
  await containers.rename(param(request, "id"), name);
  return empty(204);
}

async function update(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.update(param(request, "id"), runChangeFromWire(await request.json()));
  return json(200, { Warnings: null });
}

async function remove(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const { query } = request;
  if (flag(query, "link")) throw new Fault("unsupported", "links are not supported: networks give names");
  await containers.remove(param(request, "id"), { force: flag(query, "force"), volumes: flag(query, "v") });
  return empty(204);
}

const CONDITIONS: readonly WaitCondition[] = ["not-running", "next-exit", "removed"];

/** Its head goes out at once: a CLI starts the container when it has that. */
async function wait(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const word = request.query.get("condition") || "not-running";
  const condition = CONDITIONS.find((known) => known === word);
  if (condition === undefined) throw new Fault("invalid", `invalid condition: "${word}"`);
  const { id } = await containers.get(param(request, "id"));
  const ended = containers.wait(id, condition, request.signal);
  // Told in the stream, or to nobody.
  ended.catch(() => undefined);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${JSON.stringify({ StatusCode: await ended })}\n`);
  }
  return stream("application/json", chunks());
}

/** POST /containers/prune: all that do not run; those of tasks are kept for their service's history, and go with it. */
async function prune(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const filters = parseFilters(request.query.get("filters"), ["label", "label!", "until"]);
  const goes = pruneTest(filters, request.clock.now());
  const deleted: string[] = [];
  let bytes = 0;
  for (const container of await containers.list()) {
    if (container.status === "running" || !isByHand(container) || !goes(container)) continue;
    const size = await containers.bytesOf(container.id);
    try {
      await containers.remove(container.id, { force: false, volumes: false });
    } catch (error) {
      // Somebody was quicker.
      if (Fault.is(error, "conflict") || Fault.is(error, "not-found")) continue;
      throw error;
    }
    deleted.push(container.id);
    bytes += size;
  }
  return json(200, { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: bytes });
}

/** What happens to containers by hand. */
export const containerLifeRoutes: readonly Route[] = [
  { method: "POST", path: "/containers/create", handle: create },
  { method: "POST", path: "/containers/prune", handle: prune },
  { method: "POST", path: "/containers/:id/start", handle: start },
  { method: "POST", path: "/containers/:id/stop", handle: stop },
  { method: "POST", path: "/containers/:id/restart", handle: restart },
  { method: "POST", path: "/containers/:id/kill", handle: kill },
  { method: "POST", path: "/containers/:id/pause", handle: pause },
  { method: "POST", path: "/containers/:id/unpause", handle: unpause },
  { method: "GET", path: "/containers/:id/top", handle: top },
  { method: "POST", path: "/containers/:id/rename", handle: rename },
  { method: "POST", path: "/containers/:id/update", handle: update },
  { method: "POST", path: "/containers/:id/wait", handle: wait },
  { method: "DELETE", path: "/containers/:id", handle: remove },
];
