import { Fault } from "../lib/index.ts";
import {
  changedXfrm,
  EMPTY_NAMESPACE,
  HOST,
  type Link,
  linkOfSysctl,
  type NftTable,
  type NodeNetwork,
  type ObservedNamespace,
  type Operation,
  type Route,
  withoutLostLinks,
} from "../netstate/index.ts";
import { changedIpvs } from "./ipvs.fake.ts";

type State = ObservedNamespace;

/**
 * A machine's kernel in memory: namespaces, and operations on them with the kernel's own objections. It outlives the kernels
 * (shoalds) that use it, as the real one does.
 */
export class FakeMachine {
  readonly #namespaces = new Map<string, State>([[HOST, EMPTY_NAMESPACE]]);
  /** What programs of the host wait at: "tcp/8080". */
  readonly portsInUse: Set<string> = new Set<string>();
  /** What it says of SCTP. */
  lackOfSctp = "";
  readonly #listeners = new Set<(namespace: string) => void>();

  names(): string[] {
    return [...this.#namespaces.keys()];
  }

  read(name: string): State | undefined {
    return this.#namespaces.get(name);
  }

  /** All there is, as a value. */
  network(): { readonly namespaces: Readonly<Record<string, State>> } {
    return { namespaces: Object.fromEntries(this.#namespaces) };
  }

  create(name: string): void {
    this.#namespaces.set(name, EMPTY_NAMESPACE);
  }

  /** A namespace ends, and the other ends of its veths with it. */
  remove(name: string): void {
    for (const link of this.#get(name).links) this.#drop(name, link.name);
    this.#namespaces.delete(name);
  }

  /** Somebody else does something, and the kernel tells. */
  meddle(name: string, operation: Operation): void {
    this.run(name, operation, { namespaces: { ...this.network().namespaces } });
    for (const listener of this.#listeners) listener(name);
  }

  onMeddled(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Does one operation, or throws what the kernel would say. `wanted` tells what a veth's other end is to be like. */
  run(name: string, operation: Operation, wanted: NodeNetwork): void {
    if (operation.op === "add-link") this.#addLink(name, operation.link, wanted);
    else if (operation.op === "remove-link") this.#drop(name, operation.name);
    else this.#namespaces.set(name, changed(this.#get(name), operation));
  }

  #get(name: string): State {
    const state = this.#namespaces.get(name);
    if (state === undefined) throw new Fault("not-found", `there is no namespace ${name}`);
    return state;
  }

  #addLink(name: string, link: Link, wanted: NodeNetwork): void {
    const there = this.#get(name).links.find((other) => other.name === link.name);
    // The end of a pair that came with its other end.
    if (there?.kind === "veth" && link.kind === "veth" && there.peer.name === link.peer.name) return;
    if (there !== undefined) throw new Fault("exists", "file already exists");
    if (link.kind === "vxlan" && this.#hasTunnel(link.vni, link.port))
      throw new Fault("exists", "file already exists");
    if (link.kind === "veth") this.#addOtherEnd(name, link, wanted);
    requireBridge(this.#get(name), link);
    this.#push(name, link);
  }

  #addOtherEnd(name: string, link: Extract<Link, { kind: "veth" }>, wanted: NodeNetwork): void {
    const { namespace, name: end } = link.peer;
    const peer = wanted.namespaces[namespace]?.links.find((other) => other.name === end);
    const mutual = peer?.kind === "veth" && peer.peer.namespace === name && peer.peer.name === link.name;
    if (!this.#namespaces.has(namespace) || !mutual)
      throw new Fault("invalid", `its other end ${end} in ${namespace} is missing`);
    if (this.#get(namespace).links.some((other) => other.name === end))
      throw new Fault("exists", "file already exists");
    this.#push(namespace, peer);
  }

  #push(name: string, link: Link): void {
    const state = this.#get(name);
    this.#namespaces.set(name, { ...state, links: [...state.links, link] });
  }

  #drop(name: string, linkName: string): void {
    const state = this.#get(name);
    const link = state.links.find((other) => other.name === linkName);
    if (link === undefined) return;
    this.#namespaces.set(name, withoutLostLinks(state, new Set([linkName])));
    if (link.kind === "veth" && this.#namespaces.has(link.peer.namespace))
      this.#drop(link.peer.namespace, link.peer.name);
  }

  #hasTunnel(vni: number, port: number): boolean {
    const links = [...this.#namespaces.values()].flatMap((state) => state.links);
    return links.some((link) => link.kind === "vxlan" && link.vni === vni && link.port === port);
  }
}

type Simple = Exclude<Operation, { readonly op: "add-link" | "remove-link" }>;

/** The namespace after an operation that concerns it alone. */
function changed(state: State, operation: Simple): State {
  switch (operation.op) {
    case "set-sysctl":
      requireSysctl(state, operation.key);
      return { ...state, sysctls: { ...state.sysctls, [operation.key]: operation.value } };
    case "put-table":
    case "change-table":
      requireReferences(operation.table);
      return { ...state, tables: [...without(state.tables, sameName(operation.table)), operation.table] };
    case "remove-table":
      return { ...state, tables: without(state.tables, sameName(operation.table)) };
    case "set-link":
      return changedLink(state, operation.link);
    case "raise-link":
      return { ...state, down: without(state.down ?? [], (name) => name === operation.name) };
    case "restore-rule":
      return { ...state, unruled: without(state.unruled ?? [], (family) => family === operation.family) };
    case "put-xfrm-state":
    case "put-xfrm-policy":
    case "remove-xfrm-policy":
    case "remove-xfrm-state":
      return { ...state, xfrm: changedXfrm(state.xfrm, operation) };
    case "set-timeouts":
    case "put-service":
    case "remove-service":
    case "put-destination":
    case "drain-destination":
    case "remove-destination":
    case "end-draining":
      return changedIpvs(state, operation);
    default:
      return changedEntry(state, operation);
  }
}

/** A new MAC makes the kernel forget the link's neighbours. */
function changedLink(state: State, link: Link): State {
  requireLink(state, link.name);
  requireBridge(state, link);
  const before = state.links.find((other) => other.name === link.name);
  const flush = link.mac !== undefined && before?.mac !== link.mac;
  return {
    ...state,
    links: state.links.map((other) => (other === before ? link : other)),
    neighbours: without(state.neighbours, (neighbour) => flush && neighbour.link === link.name),
    down: without(state.down ?? [], (name) => name === link.name),
  };
}

type Entry = Extract<
  Simple,
  { readonly op: `${"put" | "remove"}-${"address" | "route" | "rule" | "neighbour" | "fdb"}` }
>;

function changedEntry(state: State, operation: Entry): State {
  switch (operation.op) {
    case "put-address":
    case "remove-address":
      return changedAddress(state, operation);
    case "put-route":
      requireRoute(state, operation.route);
      return { ...state, routes: [...without(state.routes, sameRoute(operation.route)), operation.route] };
    case "remove-route":
      return { ...state, routes: without(state.routes, sameRoute(operation.route)) };
    case "put-rule":
    case "remove-rule": {
      const { rule } = operation;
      const left = without(state.rules, (other) => JSON.stringify(other) === JSON.stringify(rule));
      return { ...state, rules: operation.op === "put-rule" ? [...left, rule] : left };
    }
    case "put-neighbour":
    case "remove-neighbour": {
      const { neighbour } = operation;
      if (operation.op === "put-neighbour") requireLink(state, neighbour.link);
      const left = without(
        state.neighbours,
        (other) => other.link === neighbour.link && other.address === neighbour.address,
      );
      return { ...state, neighbours: operation.op === "put-neighbour" ? [...left, neighbour] : left };
    }
    case "put-fdb":
    case "remove-fdb": {
      const { entry } = operation;
      if (operation.op === "put-fdb") requireTunnel(state, entry.link);
      const left = without(state.fdb, (other) => other.link === entry.link && other.mac === entry.mac);
      return { ...state, fdb: operation.op === "put-fdb" ? [...left, entry] : left };
    }
  }
}

/** With an address go the routes that have it as their source. */
function changedAddress(state: State, { op, address }: Extract<Entry, { readonly address: unknown }>): State {
  const left = without(state.addresses, (a) => a.link === address.link && a.address === address.address);
  if (op === "put-address") {
    requireLink(state, address.link);
    return { ...state, addresses: [...left, address] };
  }
  const ip = address.address.split("/")[0];
  return { ...state, addresses: left, routes: without(state.routes, (route) => route.source === ip) };
}

function without<T>(rows: readonly T[], drop: (row: T) => boolean): T[] {
  return rows.filter((row) => !drop(row));
}

const sameName =
  (a: Pick<NftTable, "family" | "name">) =>
  (b: NftTable): boolean =>
    a.family === b.family && a.name === b.name;

const sameRoute =
  (a: Route) =>
  (b: Route): boolean =>
    a.destination === b.destination && a.table === b.table;

function requireLink(state: State, name: string): void {
  if (name !== "lo" && !state.links.some((link) => link.name === name))
    throw new Fault("not-found", `there is no link ${name}`);
}

function requireTunnel(state: State, name: string): void {
  requireLink(state, name);
  if (state.links.find((link) => link.name === name)?.kind !== "vxlan")
    throw new Fault("unsupported", "operation not supported on socket");
}

function requireBridge(state: State, { master }: Link): void {
  if (master === undefined) return;
  requireLink(state, master);
  if (state.links.find((link) => link.name === master)?.kind !== "bridge")
    throw new Fault("invalid", "invalid argument");
}

/** A source has to be an address of the namespace. */
function requireRoute(state: State, { link, source }: Route): void {
  requireLink(state, link);
  if (source !== undefined && !state.addresses.some(({ address }) => address.startsWith(`${source}/`)))
    throw new Fault("invalid", "Invalid prefsrc address");
}

function requireSysctl(state: State, key: string): void {
  const link = linkOfSysctl(key);
  const known = link === undefined || ["all", "default", "lo"].includes(link);
  if (!known) requireLink(state, link);
}

/** Chains, sets and maps that a rule or an element names must be in the table. */
function requireReferences({ sets, maps, chains }: NftTable): void {
  const named = new Set([...sets, ...maps].map(({ name }) => name));
  const jumps = new Set(chains.map(({ name }) => name));
  const texts = [
    ...chains.flatMap(({ rules }) => rules),
    ...maps.flatMap((map) => Object.values(map.elements)),
  ];
  for (const text of texts) {
    // "@ll,80,16" is no set but a place in the packet.
    for (const [, name = ""] of text.matchAll(/@([\w-]+)(?![\w,-])/g)) {
      if (!named.has(name)) throw new Fault("not-found", `No such file or directory: ${text}`);
    }
    for (const [, name = ""] of text.matchAll(/\b(?:goto|jump) ([\w-]+)/g)) {
      if (!jumps.has(name)) throw new Fault("not-found", `No such file or directory: ${text}`);
    }
  }
}
