import type { Change, Cluster, Kind, Kinds, Network, Node, Service, Task } from "../model/index.ts";
import { LiveView } from "./live-view.ts";
import type { View } from "./view.ts";

/** The view as it will be once these changes are written: a layer on top, not a copy. Costs the changes only. */
export function withChanges(base: View, changes: readonly Change[]): View {
  return changes.length === 0 ? base : new LayeredView(base, changes);
}

/** Objects of the top layer, and below it all that it does not hide. `base` must not move while this is in use. */
class LayeredView implements View {
  readonly #base: View;
  readonly #top = new LiveView();
  /** Ids that the changes name: what the base says of them no longer holds. */
  readonly #hidden: { readonly [K in Kind]: Set<string> } = {
    cluster: new Set(),
    node: new Set(),
    service: new Set(),
    task: new Set(),
    network: new Set(),
  };

  constructor(base: View, changes: readonly Change[]) {
    this.#base = base;
    for (const change of changes) {
      const id = change.op === "put" ? change.object.id : change.id;
      this.#hidden[change.kind].add(id);
      if (change.op === "put") this.#top.put<Kind>(change.kind, change.object);
      else this.#top.delete(change.kind, id);
    }
  }

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return (this.#hidden[kind].has(id) ? this.#top : this.#base).get(kind, id);
  }

  all<K extends Kind>(kind: K): Iterable<Kinds[K]> {
    return this.#both(kind, (view) => view.all(kind));
  }

  findByIdPrefix<K extends Kind>(kind: K, prefix: string): Kinds[K][] {
    return [...this.#both(kind, (view) => view.findByIdPrefix(kind, prefix))];
  }

  cluster(): Cluster | undefined {
    return first(this.all("cluster"));
  }

  serviceByName(name: string): Service | undefined {
    return this.#one(
      "service",
      (view) => view.serviceByName(name),
      (service) => service.spec.name === name,
    );
  }

  networkByName(name: string): Network | undefined {
    return this.#one(
      "network",
      (view) => view.networkByName(name),
      (network) => network.spec.name === name,
    );
  }

  nodesByHostname(hostname: string): Iterable<Node> {
    return this.#both("node", (view) => view.nodesByHostname(hostname));
  }

  tasksByService(serviceId: string): Iterable<Task> {
    return this.#both("task", (view) => view.tasksByService(serviceId));
  }

  tasksBySlot(serviceId: string, slot: number): Iterable<Task> {
    return this.#both("task", (view) => view.tasksBySlot(serviceId, slot));
  }

  tasksByNode(nodeId: string): Iterable<Task> {
    return this.#both("task", (view) => view.tasksByNode(nodeId));
  }

  tasksByNetwork(networkId: string): Iterable<Task> {
    return this.#both("task", (view) => view.tasksByNetwork(networkId));
  }

  servicesByNetwork(networkId: string): Iterable<Service> {
    return this.#both("service", (view) => view.servicesByNetwork(networkId));
  }

  *#both<K extends Kind>(kind: K, of: (view: View) => Iterable<Kinds[K]>): Generator<Kinds[K]> {
    const hidden = this.#hidden[kind];
    for (const object of of(this.#base)) if (!hidden.has(object.id)) yield object;
    if (hidden.size > 0) yield* of(this.#top);
  }

  /** One object by its name. A hidden one may hide a namesake: names are only kept unique by those who write. */
  #one<K extends Kind>(
    kind: K,
    of: (view: View) => Kinds[K] | undefined,
    matches: (object: Kinds[K]) => boolean,
  ): Kinds[K] | undefined {
    const above = of(this.#top);
    if (above !== undefined) return above;
    const below = of(this.#base);
    if (below === undefined || !this.#hidden[kind].has(below.id)) return below;
    for (const object of this.#base.all(kind)) {
      if (matches(object) && !this.#hidden[kind].has(object.id)) return object;
    }
    return undefined;
  }
}

function first<T>(objects: Iterable<T>): T | undefined {
  for (const object of objects) return object;
  return undefined;
}
