import {
  type Change,
  type Cluster,
  type Guest,
  KINDS,
  type Kind,
  type Kinds,
  type Network,
  type Node,
  type Service,
  type Task,
} from "../model/index.ts";
import { LiveView } from "./live-view.ts";
import type { Derived, ObjectChange, View } from "./view.ts";

/** The view as it will be once these changes are written. */
export function withChanges(base: View, changes: readonly Change[]): View {
  const draft = new Draft(base);
  draft.write(changes);
  return draft;
}

/**
 * The view as it will be once some changes are written: a layer on top, not a copy. Costs the changes only.
 * `base` must not move while this is in use; nor must the draft while somebody walks it.
 */
export class Draft implements View {
  readonly #base: View;
  readonly #top = new LiveView();
  /** Ids that the changes name: what the base says of them no longer holds. */
  readonly #hidden: { readonly [K in Kind]: Set<string> } = {
    cluster: new Set(),
    node: new Set(),
    service: new Set(),
    task: new Set(),
    guest: new Set(),
    network: new Set(),
    secret: new Set(),
    config: new Set(),
    news: new Set(),
  };

  readonly #changes = new Map<string, Change>();
  readonly #derived = new Map<Derived<unknown>, unknown>();

  constructor(base: View) {
    this.#base = base;
  }

  /** All that was written so far, an object once: what takes the base to here. */
  get changes(): readonly Change[] {
    return [...this.#changes.values()];
  }

  get size(): number {
    return this.#changes.size;
  }

  /** Lays changes on top, in order; returns what each did. */
  write(changes: readonly Change[]): ObjectChange[] {
    return changes.map((change) => this.#write(change));
  }

  #write(change: Change): ObjectChange {
    const { kind } = change;
    const id = change.op === "put" ? change.object.id : change.id;
    const before = this.get<Kind>(kind, id);
    this.#keep(`${kind}/${id}`, change);
    if (change.op === "put") this.#top.put<Kind>(kind, change.object);
    else this.#top.delete(kind, id);
    this.#hidden[kind].add(id);
    const after = change.op === "put" ? { after: change.object } : {};
    const done: ObjectChange = { kind, ...(before && { before }), ...after };
    for (const [derived, state] of this.#derived) derived.apply(state, done);
    return done;
  }

  /** The later word on an object wins; an object made and removed again never was. */
  #keep(key: string, change: Change): void {
    if (change.op === "delete" && change.version === 0) this.#changes.delete(key);
    else this.#changes.set(key, change);
  }

  derive<S>(derived: Derived<S>): S {
    const known = this.#derived.get(derived as Derived<unknown>) as S | undefined;
    if (known !== undefined) return known;
    const state = derived.fork(this.#base.derive(derived));
    for (const kind of KINDS) {
      for (const id of this.#hidden[kind]) {
        const before = this.#base.get(kind, id);
        const after = this.#top.get(kind, id);
        derived.apply(state, { kind, ...(before && { before }), ...(after && { after }) });
      }
    }
    this.#derived.set(derived as Derived<unknown>, state);
    return state;
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

  guestsByNode(nodeId: string): Iterable<Guest> {
    return this.#both("guest", (view) => view.guestsByNode(nodeId));
  }

  guestsByNetwork(networkId: string): Iterable<Guest> {
    return this.#both("guest", (view) => view.guestsByNetwork(networkId));
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
