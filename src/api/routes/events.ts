import type { Clock, Instant } from "../../lib/index.ts";
import { eventToWire, type Filters, labelsFit, parseFilters, someFits } from "../../wire/index.ts";
import type { Backends, EngineEvent } from "../backends.ts";
import { jsonLines } from "../json-lines.ts";
import { timeOf } from "../log-query.ts";
import type { ApiRequest, ApiResponse, Route } from "../route.ts";

/** Filters that name a thing: by id, or the beginning of its id or name. */
const KINDS = [
  "container",
  "volume",
  "network",
  "service",
  "node",
  "plugin",
  "secret",
  "config",
  "daemon",
] as const;
const ACCEPTED = [...KINDS, "image", "type", "event", "scope", "label"];

/** Does an event fit the filters (moby daemon/events/filter.go)? */
export function eventFits(event: EngineEvent, filters: Filters): boolean {
  const { actor, attributes } = event;
  return (
    someFits(filters, "event", (value) => isAction(event.action, value)) &&
    someFits(filters, "type", (value) => event.type === value) &&
    someFits(filters, "scope", (value) => event.scope === value) &&
    someFits(filters, "image", (value) => isImage(event, value)) &&
    KINDS.every((kind) =>
      someFits(
        filters,
        kind,
        (value) =>
          event.type === kind && (actor.startsWith(value) || (attributes["name"] ?? "").startsWith(value)),
      ),
    ) &&
    labelsFit(filters, "label", attributes)
  );
}

/** "health_status" also means "health_status: healthy". */
function isAction(action: string, value: string): boolean {
  return action === value || action.startsWith(`${value}:`);
}

/** The image itself, or what was made from it; without a tag, any tag. */
function isImage({ type, actor, attributes }: EngineEvent, value: string): boolean {
  const name = attributes[type === "image" ? "name" : "image"] ?? "";
  return [actor, name, name.replace(/@.*$/, ""), name.replace(/(@.*|:[^/]*)$/, "")].includes(value);
}

interface Window {
  readonly until: Instant | undefined;
  readonly filters: Filters;
}

async function* chosen(
  events: AsyncIterable<EngineEvent>,
  { until, filters }: Window,
): AsyncGenerator<unknown> {
  for await (const event of events) {
    if (until !== undefined && event.at > until) return;
    if (eventFits(event, filters)) yield eventToWire(event);
  }
}

async function events(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const filters = parseFilters(request.query.get("filters"), ACCEPTED);
  const since = instantOf(request, "since");
  const until = instantOf(request, "until");
  const signal = until === undefined ? request.signal : endingAt(until, request.clock, request.signal);
  return jsonLines(chosen(backends.events.subscribe(since, signal), { until, filters }));
}

function instantOf({ query }: ApiRequest, name: string): Instant | undefined {
  const nanos = timeOf(query, name);
  return nanos === undefined ? undefined : Number(nanos / 1_000_000n);
}

/** Aborts at an instant, or with the request. */
function endingAt(until: Instant, clock: Clock, signal: AbortSignal): AbortSignal {
  const end = new AbortController();
  const timer = clock.after(Math.max(0, until - clock.now()), () => end.abort());
  signal.addEventListener("abort", () => timer.cancel(), { once: true });
  return AbortSignal.any([signal, end.signal]);
}

/** What happens on this node and, on a manager, in the swarm. */
export const eventRoutes: readonly Route[] = [{ method: "GET", path: "/events", handle: events }];
