import type { Instant } from "../lib/index.ts";
import type { Cluster } from "./cluster.ts";
import type { Guest } from "./guest.ts";
import type { Network } from "./network.ts";
import type { News } from "./news.ts";
import type { Node } from "./node.ts";
import type { Config, Secret } from "./secret.ts";
import type { Service } from "./service.ts";
import type { Task } from "./task.ts";

/** Kind of object to its type: the tables of the store. */
export interface Kinds {
  cluster: Cluster;
  node: Node;
  service: Service;
  task: Task;
  guest: Guest;
  network: Network;
  secret: Secret;
  config: Config;
  news: News;
}

export type Kind = keyof Kinds;
export const KINDS: readonly Kind[] = [
  "cluster",
  "node",
  "service",
  "task",
  "guest",
  "network",
  "secret",
  "config",
  "news",
];

/** One wanted write. A put carries the version it was read at (0: must not exist yet); so does a delete. */
export type Change = { [K in Kind]: PutChange<K> | DeleteChange<K> }[Kind];

export interface PutChange<K extends Kind> {
  readonly op: "put";
  readonly kind: K;
  readonly object: Kinds[K];
}

export interface DeleteChange<K extends Kind> {
  readonly op: "delete";
  readonly kind: K;
  readonly id: string;
  readonly version: number;
}

export function put<K extends Kind>(kind: K, object: Kinds[K]): Change {
  return { op: "put", kind, object } as Change;
}

export function remove<K extends Kind>(kind: K, object: Kinds[K]): Change {
  return { op: "delete", kind, id: object.id, version: object.version } as Change;
}

/** What a decider decided: a printable value. Planning again after applying it yields no changes. */
export interface Plan {
  readonly changes: readonly Change[];
  /** When to plan again although nothing changed (a delay runs out), as an instant. */
  readonly again?: Instant;
  /** One line for the log: why. */
  readonly because: string;
}

/** What a decider may not make itself: the time, and fresh ids. */
export interface Decision {
  readonly now: Instant;
  newId(): string;
}

/**
 * What a plan has to look at: what may have moved since the deciders last had nothing to say. A decider that was given
 * all there is and one that was given what moved decide the same.
 */
export interface Scope {
  /** Services that changed, or whose tasks or tasks' nodes did; also ids of services that are gone. */
  readonly services: ReadonlySet<string>;
  /** Nodes that changed, or what they carry; also ids of nodes that are gone. */
  readonly nodes: ReadonlySet<string>;
}
