import { type Clock, Fault, sleep } from "../../lib/index.ts";
import type { ContainerUsage } from "../../model/index.ts";
import { containerStats } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { jsonLines } from "../json-lines.ts";
import { type ApiRequest, type ApiResponse, flag, json, param, type Route } from "../route.ts";

/** How often Docker looks (moby daemon/stats/collector.go). */
const PERIOD_MS = 1_000;

/**
 * GET /containers/{id}/stats: each second what the container uses, and what it used before; `stream=0`: once, after a second, since CPU
 * time tells something only beside earlier CPU time; `one-shot`: at once, with nothing before it.
 */
async function stats(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const { query, clock, signal } = request;
  const streams = !query.has("stream") || flag(query, "stream");
  const isOneShot = flag(query, "one-shot");
  if (streams && isOneShot) throw new Fault("invalid", "cannot have stream=true and one-shot=true");
  const { id } = await containers.get(param(request, "id"));
  const all = samples(containers, { id, clock, signal });
  if (streams) return jsonLines(texts(all));
  let last: Sample | undefined;
  for await (const sample of all) {
    last = sample;
    if (isOneShot || sample.usage === undefined || sample.before !== undefined) break;
  }
  if (last === undefined) throw new Fault("not-found", `No such container: ${id}`);
  return json(200, containerStats(last, last.usage, last.before));
}

interface Sample {
  readonly id: string;
  readonly name: string;
  /** Absent while it does not run. */
  readonly usage?: ContainerUsage;
  readonly before?: ContainerUsage;
}

/** One a second, the first at once, until the container is gone or the client has left. */
async function* samples(
  containers: Backends["containers"],
  { id, clock, signal }: { readonly id: string; readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<Sample> {
  let before: ContainerUsage | undefined;
  while (!signal.aborted) {
    const found = await containers.get(id).catch(unlessOver);
    if (found === undefined) return;
    const usage = await containers.usage(id).catch(unlessOver);
    yield { id, name: found.name, ...(usage && { usage }), ...(usage && before && { before }) };
    before = usage;
    await sleep(clock, PERIOD_MS, signal).catch(() => undefined);
  }
}

function unlessOver(error: unknown): undefined {
  if (Fault.is(error, "conflict") || Fault.is(error, "not-found")) return undefined;
  throw error;
}

async function* texts(all: AsyncIterable<Sample>): AsyncGenerator<object> {
  for await (const sample of all) yield containerStats(sample, sample.usage, sample.before);
}

/** What containers use. */
export const containerStatsRoutes: readonly Route[] = [
  { method: "GET", path: "/containers/:id/stats", handle: stats },
];
