import { type Clock, type Instant, messageOf } from "../../lib/index.ts";
import { eventToWire, type Filters, labelsFit, parseFilters, someFits } from "../../wire/index.ts";
import type { Backends, EngineEvent } from "../backends.ts";
import { timeOf } from "../log-query.ts";
import { type ApiRequest, type ApiResponse, type Route, stream } from "../route.ts";

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

async function* told(
  events: AsyncIterable<EngineEvent>,
  { until, filters }: Window,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const event of events) {
      if (until !== undefined && event.at > until) return;
      if (eventFits(event, filters)) yield lineOf(event);
    }
  } catch (error) {
    yield lineOf(cutEvent(messageOf(error), clock.now()));
    throw error;
  }
}

/** An event's line is the same for all who listen. */
const LINES = new WeakMap<EngineEvent, Uint8Array>();

function lineOf(event: EngineEvent): Uint8Array {
  const known = LINES.get(event);
  if (known !== undefined) return known;
  const line = Buffer.from(`${JSON.stringify(eventToWire(event))}\n`);
  LINES.set(event, line);
  return line;
}

/** The last word to one who is cut off, in the only form that readers of this stream know. */
function cutEvent(reason: string, at: Instant): EngineEvent {
  return { type: "daemon", action: "cut", scope: "local", actor: "shoald", attributes: { reason }, at };
}

async function events(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const filters = parseFilters(request.query.get("filters"), ACCEPTED);
  const since = instantOf(request, "since");
  const until = instantOf(request, "until");
  const signal = until === undefined ? request.signal : endingAt(until, request.clock, request.signal);
  const events = backends.events.subscribe(since, signal, request.letGo);
  return stream("application/json", told(events, { until, filters }, request.clock));
}

/** To the microsecond, which is what times of events have; clients that hold them as doubles miss by less than half of one. */
function instantOf({ query }: ApiRequest, name: string): Instant | undefined {
  const nanos = timeOf(query, name);
  return nanos === undefined ? undefined : Number((nanos + 500n) / 1000n) / 1000;
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
