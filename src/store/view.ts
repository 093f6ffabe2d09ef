import type { Change, Cluster, Kind, Kinds, Network, Node, Service, Task } from "../model/index.ts";

/**
 * The cluster's objects as they are at one version: what deciders read. Reads are synchronous and objects are frozen,
 * so a decider that does not wait sees one snapshot.
 */
export interface View {
  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined;
  all<K extends Kind>(kind: K): Iterable<Kinds[K]>;
  /** The one cluster object, once there is one. */
  cluster(): Cluster | undefined;
  tasksByService(serviceId: string): Iterable<Task>;
  tasksByNode(nodeId: string): Iterable<Task>;
}

/** What a commit did to one object. */
export interface ObjectChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly before?: Kinds[K];
  readonly after?: Kinds[K];
}

/** Ids grouped by some field of a task. */
class TaskIndex {
  readonly #groups = new Map<string, Map<string, Task>>();
  readonly #keyOf: (task: Task) => string | undefined;

  constructor(keyOf: (task: Task) => string | undefined) {
    this.#keyOf = keyOf;
  }

  move(before: Task | undefined, after: Task | undefined): void {
    const from = before && this.#keyOf(before);
    const to = after && this.#keyOf(after);
    if (from !== undefined && before !== undefined && from !== to) {
      const group = this.#groups.get(from);
      group?.delete(before.id);
      if (group?.size === 0) this.#groups.delete(from);
    }
    if (to === undefined || after === undefined) return;
    const group = this.#groups.get(to);
    if (group === undefined) this.#groups.set(to, new Map([[after.id, after]]));
    else group.set(after.id, after);
  }

  of(key: string): Iterable<Task> {
    return this.#groups.get(key)?.values() ?? [];
  }
}

/** The view that a store keeps up to date: a change costs its own indexes and nothing else. */
export class LiveView implements View {
  readonly #tables: { [K in Kind]: Map<string, Kinds[K]> } = {
    cluster: new Map<string, Cluster>(),
    node: new Map<string, Node>(),
    service: new Map<string, Service>(),
    task: new Map<string, Task>(),
    network: new Map<string, Network>(),
  };
  readonly #byService: TaskIndex = new TaskIndex((task) => task.serviceId);
  readonly #byNode: TaskIndex = new TaskIndex((task) => task.nodeId);

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return this.#tables[kind].get(id);
  }

  all<K extends Kind>(kind: K): Iterable<Kinds[K]> {
    return this.#tables[kind].values();
  }

  cluster(): Cluster | undefined {
    for (const cluster of this.#tables.cluster.values()) return cluster;
    return undefined;
  }

  tasksByService(serviceId: string): Iterable<Task> {
    return this.#byService.of(serviceId);
  }

  tasksByNode(nodeId: string): Iterable<Task> {
    return this.#byNode.of(nodeId);
  }

  /** Puts an object in place of the one with its id; returns what it replaced. */
  put<K extends Kind>(kind: K, object: Kinds[K]): Kinds[K] | undefined {
    const before = this.#tables[kind].get(object.id);
    this.#tables[kind].set(object.id, object);
    this.#index(kind, before, object);
    return before;
  }

  /** Takes an object out; returns it when it was there. */
  delete<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    const before = this.#tables[kind].get(id);
    this.#tables[kind].delete(id);
    this.#index(kind, before, undefined);
    return before;
  }

  #index(kind: Kind, before: Kinds[Kind] | undefined, after: Kinds[Kind] | undefined): void {
    if (kind !== "task") return;
    this.#byService.move(before as Task | undefined, after as Task | undefined);
    this.#byNode.move(before as Task | undefined, after as Task | undefined);
  }
}

/** A view of just these objects, for tests. */
export function viewOf(objects: { [K in Kind]?: readonly Kinds[K][] }): View {
  const view = new LiveView();
  for (const [kind, list] of Object.entries(objects)) {
    for (const object of list) view.put(kind as Kind, object as never);
  }
  return view;
}

/** The view as it will be once these changes are written: a layer on top, not a copy. */
export function withChanges(base: View, changes: readonly Change[]): View {
  return changes.length === 0 ? base : new LayeredView(base, changes);
}

class LayeredView implements View {
  readonly #base: View;
  readonly #top: { readonly [K in Kind]: Map<string, Kinds[K] | undefined> } = {
    cluster: new Map(),
    node: new Map(),
    service: new Map(),
    task: new Map(),
    network: new Map(),
  };

  constructor(base: View, changes: readonly Change[]) {
    this.#base = base;
    for (const change of changes) {
      const table = this.#top[change.kind] as Map<string, unknown>;
      if (change.op === "put") table.set(change.object.id, change.object);
      else table.set(change.id, undefined);
    }
  }

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    const top = this.#top[kind] as ReadonlyMap<string, Kinds[K] | undefined>;
    return top.has(id) ? top.get(id) : this.#base.get(kind, id);
  }

  all<K extends Kind>(kind: K): Iterable<Kinds[K]> {
    const top = this.#top[kind] as ReadonlyMap<string, Kinds[K] | undefined>;
    return top.size === 0 ? this.#base.all(kind) : this.#merge(this.#base.all(kind), top, () => true);
  }

  cluster(): Cluster | undefined {
    for (const cluster of this.all("cluster")) return cluster;
    return undefined;
  }

  tasksByService(serviceId: string): Iterable<Task> {
    return this.#merge(
      this.#base.tasksByService(serviceId),
      this.#top.task,
      (t) => t.serviceId === serviceId,
    );
  }

  tasksByNode(nodeId: string): Iterable<Task> {
    return this.#merge(this.#base.tasksByNode(nodeId), this.#top.task, (t) => t.nodeId === nodeId);
  }

  *#merge<T extends { id: string }>(
    below: Iterable<T>,
    top: ReadonlyMap<string, T | undefined>,
    belongs: (object: T) => boolean,
  ): Iterable<T> {
    for (const object of below) if (!top.has(object.id)) yield object;
    for (const object of top.values()) if (object !== undefined && belongs(object)) yield object;
  }
}
