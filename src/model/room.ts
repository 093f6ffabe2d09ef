import type { GenericResource, Resources } from "./container.ts";
import type { NodeDescription } from "./node.ts";
import type { Task } from "./task.ts";

type NodeResources = NodeDescription["resources"];

/** What tasks have taken of a node. */
export interface Taken {
  nanoCpus: number;
  memoryBytes: number;
  /** By kind. */
  readonly generic: Map<string, Claims>;
}

/** What tasks have taken of one kind: numbers of it, and names (each with how many took it, lest a mistake free it). */
export interface Claims {
  count: number;
  readonly names: Map<string, number>;
}

/**
 * What the node is short of for a reservation, beside what is taken: "cpu", "memory", kinds of generic resources. None:
 * there is room. The one rule, for who is placed and for who may stay.
 */
export function lackOf(total: NodeResources, taken: Taken, want: Resources["reservations"]): string[] {
  const lack: string[] = [];
  if (taken.nanoCpus + want.nanoCpus > total.nanoCpus) lack.push("cpu");
  if (taken.memoryBytes + want.memoryBytes > total.memoryBytes) lack.push("memory");
  for (const generic of want.generic) {
    if (countOf(generic) > freeOf(total, taken, generic.kind)) lack.push(generic.kind);
  }
  return lack;
}

/** True for a task that takes something of its node that others could need. */
export function reserves({ spec }: Pick<Task, "spec">): boolean {
  const { nanoCpus, memoryBytes, generic } = spec.resources.reservations;
  return nanoCpus > 0 || memoryBytes > 0 || generic.length > 0;
}

/** Enters (1) or strikes out (-1) what a task takes of its node. */
export function take(taken: Taken, { spec, generic = [] }: Task, step: 1 | -1): void {
  const { nanoCpus, memoryBytes } = spec.resources.reservations;
  taken.nanoCpus += step * nanoCpus;
  taken.memoryBytes += step * memoryBytes;
  for (const resource of generic) book(taken.generic, resource, step);
}

/** What a task gets for its reservations: a part of a number, or names of a set, in the node's order. */
export function claim(
  total: NodeResources,
  taken: Taken,
  wanted: readonly GenericResource[],
): GenericResource[] {
  return wanted.flatMap((want) => {
    const count = countOf(want);
    const own = ofKind(total, want.kind);
    if (own.some((resource) => "count" in resource)) return [{ kind: want.kind, count }];
    const names = taken.generic.get(want.kind)?.names;
    return own.filter((resource) => "id" in resource && !names?.has(resource.id)).slice(0, count);
  });
}

/** False when the node no longer has what was claimed of it: the named one is gone, or there are names now for a number. */
export function stillHas(total: NodeResources, claimed: readonly GenericResource[] = []): boolean {
  return claimed.every((held) =>
    ofKind(total, held.kind).some((own) =>
      "id" in held ? "id" in own && own.id === held.id : "count" in own,
    ),
  );
}

/** How much of a kind a node has left (swarmkit api/genericresource HasEnough). */
function freeOf(total: NodeResources, taken: Taken, kind: string): number {
  const own = ofKind(total, kind);
  const sum = own.reduce((n, resource) => n + countOf(resource), 0);
  const claims = taken.generic.get(kind);
  if (claims === undefined) return sum;
  const named = own.filter((resource) => "id" in resource && claims.names.has(resource.id)).length;
  return sum - claims.count - named;
}

function ofKind({ generic }: NodeResources, kind: string): GenericResource[] {
  return generic.filter((resource) => resource.kind === kind);
}

/** A name is one of its kind. (A reservation is a count: the door lets no name in.) */
function countOf(resource: GenericResource): number {
  return "count" in resource ? resource.count : 1;
}

function book(held: Map<string, Claims>, resource: GenericResource, step: 1 | -1): void {
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
