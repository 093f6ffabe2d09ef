import { equal, type Instant } from "../lib/index.ts";
import { type Claims, isTerminal, isWanted, stateRank, type Task, take } from "../model/index.ts";
import type { Derived } from "../store/index.ts";

/** What a node carries already. */
export interface NodeLoad {
  /** Tasks that run or will, and those of each service. */
  tasks: number;
  readonly byService: Map<string, number>;
  /** Reserved; a stopping task holds its reservation until it has stopped. */
  nanoCpus: number;
  memoryBytes: number;
  readonly generic: Map<string, Claims>;
  /** "tcp/80" to how many tasks have it. */
  readonly hostPorts: Map<string, number>;
  /** Per service and words (`wordsOf`): when tasks of them failed here, as far as there are records. */
  readonly failures: Map<string, readonly Instant[]>;
}

/** Failures of a service on a node count for so long (swarmkit scheduler/nodeinfo.go monitorFailures). */
const FAILURE_WINDOW_MS = 5 * 60_000;

const NOTHING: NodeLoad = emptyLoad();

/** The loads of all nodes, by node id. A fork reads what it has not changed from where it comes from. */
export class Loads {
  readonly #own = new Map<string, NodeLoad>();
  readonly #below: Loads | undefined;

  constructor(below?: Loads) {
    this.#below = below;
  }

  of(nodeId: string): NodeLoad {
    return this.#own.get(nodeId) ?? this.#below?.of(nodeId) ?? NOTHING;
  }

  enter(task: Task): void {
    this.#move(task, 1);
  }

  leave(task: Task): void {
    this.#move(task, -1);
  }

  #move(task: Task, step: 1 | -1): void {
    const { nodeId } = task;
    if (nodeId === undefined) return;
    if (isCarried(task)) carry(this.#ownOf(nodeId), task, step);
    else if (hasFailed(task)) blame(this.#ownOf(nodeId), task, step);
  }

  #ownOf(nodeId: string): NodeLoad {
    const known = this.#own.get(nodeId);
    if (known !== undefined) return known;
    const load = copyOf(this.#below?.of(nodeId) ?? NOTHING);
    this.#own.set(nodeId, load);
    return load;
  }
}

export const LOADS: Derived<Loads> = {
  empty: () => new Loads(),
  fork: (loads) => new Loads(loads),
  apply(loads, { kind, before, after }) {
    if (kind !== "task") return;
    const [old, now] = [before as Task | undefined, after as Task | undefined];
    if (old !== undefined && now !== undefined && isSameBurden(old, now)) return;
    if (old !== undefined) loads.leave(old);
    if (now !== undefined) loads.enter(now);
  },
};

/** How often tasks of these words failed on the node lately. */
export function recentFailures(load: NodeLoad, words: string, now: Instant): number {
  return (load.failures.get(words) ?? []).filter((at) => at > now - FAILURE_WINDOW_MS).length;
}

/** A service's words at one version: new words have not failed anywhere yet. */
export function wordsOf({ serviceId, specVersion }: Pick<Task, "serviceId" | "specVersion">): string {
  return `${serviceId}@${specVersion}`;
}

/** Ports of the host that the task takes; a port of the engine's own choice (0) clashes with none. */
export function hostPortsOf({ endpoint }: Task): string[] {
  return endpoint.ports.flatMap((port) =>
    port.publishMode === "host" && port.published !== 0 ? [`${port.protocol}/${port.published}`] : [],
  );
}

/** It was given to its node, and has not ended. A global service's task has a node before it is given to it. */
function isCarried(task: Task): boolean {
  return !isTerminal(task) && stateRank(task.status.state) >= stateRank("assigned");
}

function hasFailed({ status }: Task): boolean {
  return status.state === "failed" || status.state === "rejected";
}

/** Steps of a task between its start and its end change no load; a task's words never change. */
function isSameBurden(a: Task, b: Task): boolean {
  if (a.nodeId !== b.nodeId || !isCarried(a) || !isCarried(b)) return false;
  return isWanted(a) === isWanted(b) && equal(a.generic, b.generic);
}

function carry(load: NodeLoad, task: Task, step: 1 | -1): void {
  take(load, task, step);
  for (const port of hostPortsOf(task)) count(load.hostPorts, port, step);
  if (!isWanted(task)) return;
  load.tasks += step;
  count(load.byService, task.serviceId, step);
}

function blame(load: NodeLoad, task: Task, step: 1 | -1): void {
  const at = task.endedAt ?? task.status.at;
  const known = load.failures.get(wordsOf(task)) ?? [];
  const next = step === 1 ? [...known, at].sort() : known.toSpliced(known.indexOf(at), 1);
  if (next.length === 0) load.failures.delete(wordsOf(task));
  else load.failures.set(wordsOf(task), next);
}

function count(counts: Map<string, number>, key: string, step: 1 | -1): void {
  const next = (counts.get(key) ?? 0) + step;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}

function emptyLoad(): NodeLoad {
  return {
    tasks: 0,
    byService: new Map(),
    nanoCpus: 0,
    memoryBytes: 0,
    generic: new Map(),
    hostPorts: new Map(),
    failures: new Map(),
  };
}

function copyOf(load: NodeLoad): NodeLoad {
  const generic = [...load.generic].map(
    ([kind, { count: n, names }]) => [kind, { count: n, names: new Map(names) }] as const,
  );
  return {
    ...load,
    byService: new Map(load.byService),
    generic: new Map(generic),
    hostPorts: new Map(load.hostPorts),
    failures: new Map(load.failures),
  };
}
