import { Fault } from "../lib/index.ts";
import { aService } from "../model/objects.fake.ts";
import { isEmpty } from "./json.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";

/** A JSON object on the wire. */
export type Wire = Record<string, unknown>;

/** A service that says as little as it can. */
export const good: () => Wire = () => JSON.parse(JSON.stringify(serviceSpecToWire(aService("web").spec)));

/** A good spec with one field, "TaskTemplate.ContainerSpec.Image", set to something else. */
export function withField(path: string, value: unknown): Wire {
  const spec = good();
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = spec;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as Wire;
  }
  at[last] = value;
  return spec;
}

/** "invalid: …", or "taken". */
export function refusalOf(spec: unknown): string {
  try {
    serviceSpecFromWire(spec);
  } catch (error) {
    return error instanceof Fault ? `${error.kind}: ${error.message}` : `thrown: ${String(error)}`;
  }
  return "taken";
}

/** Where a container's words are. */
export const C = "TaskTemplate.ContainerSpec";
/** How swarmkit's refusals begin. */
export const ARG = "invalid: rpc error: code = InvalidArgument desc = ";

/** A field, a value that it may not have, and what is said then. */
export type Refused = readonly [path: string, value: unknown, refusal: string];

/** Paths of values that `said` has and `shown` has not, or has otherwise; empty values count as not said. */
export function missing(said: unknown, shown: unknown, path = ""): string[] {
  if (isEmpty(said)) return [];
  if (typeof said !== "object" || said === null) return Object.is(said, shown) ? [] : [path];
  if (typeof shown !== "object" || shown === null) return [path];
  return Object.entries(said).flatMap(([key, value]) =>
    missing(value, (shown as Record<string, unknown>)[key], `${path}.${key}`),
  );
}
