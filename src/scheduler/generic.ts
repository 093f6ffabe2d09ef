import type { GenericResource } from "../model/index.ts";

/** What tasks have taken of one kind: numbers of it, and names (each with how many took it, lest a mistake free it). */
export interface Claims {
  count: number;
  readonly names: Map<string, number>;
}

type Held = ReadonlyMap<string, Claims>;

/** How much of a kind a node has left (swarmkit api/genericresource HasEnough). */
export function freeOf(total: readonly GenericResource[], held: Held, kind: string): number {
  const own = total.filter((resource) => resource.kind === kind);
  const sum = own.reduce((n, resource) => n + ("count" in resource ? resource.count : 1), 0);
  const claims = held.get(kind);
  if (claims === undefined) return sum;
  const named = own.filter((resource) => "id" in resource && claims.names.has(resource.id)).length;
  return sum - claims.count - named;
}

/** What a task gets for its reservations: a part of a number, or names of a set, in the node's order. */
export function claim(
  total: readonly GenericResource[],
  held: Held,
  wanted: readonly GenericResource[],
): GenericResource[] {
  return wanted.flatMap((want) => {
    const count = countOf(want);
    const own = total.filter((resource) => resource.kind === want.kind);
    if (own.some((resource) => "count" in resource)) return [{ kind: want.kind, count }];
    const taken = held.get(want.kind)?.names;
    return own.filter((resource) => "id" in resource && !taken?.has(resource.id)).slice(0, count);
  });
}

/** A reservation is a count; a name in its place (the door lets none in) is one of a kind. */
export function countOf(resource: GenericResource): number {
  return "count" in resource ? resource.count : 1;
}

/** Enters (1) or strikes out (-1) what a task holds. */
export function book(held: Map<string, Claims>, resources: readonly GenericResource[], step: 1 | -1): void {
  for (const resource of resources) {
    const claims = held.get(resource.kind) ?? { count: 0, names: new Map<string, number>() };
    held.set(resource.kind, claims);
    if ("count" in resource) claims.count += step * resource.count;
    else {
      const holders = (claims.names.get(resource.id) ?? 0) + step;
      if (holders === 0) claims.names.delete(resource.id);
      else claims.names.set(resource.id, holders);
    }
    if (claims.count === 0 && claims.names.size === 0) held.delete(resource.kind);
  }
}
