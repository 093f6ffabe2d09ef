import { isTerminal, isWanted, type Task } from "../model/index.ts";

/** What a node carries already. */
export interface NodeLoad {
  tasks: number;
  byService: Map<string, number>;
  nanoCpus: number;
  memoryBytes: number;
  hostPorts: Set<string>;
  /** Per service and words: failures in the last five minutes (swarmkit nodeinfo.go). See `wordsOf`. */
  failures: Map<string, number>;
}

const FAILURE_WINDOW_MS = 5 * 60_000;

/** The load of a node's tasks: those that run or will. */
export function loadOf(tasks: Iterable<Task>, now: number): NodeLoad {
  const load: NodeLoad = {
    tasks: 0,
    byService: new Map(),
    nanoCpus: 0,
    memoryBytes: 0,
    hostPorts: new Set(),
    failures: new Map(),
  };
  for (const task of tasks) {
    if (!isTerminal(task)) addTask(load, task);
    else if (hasFailed(task) && (task.endedAt ?? task.status.at) > now - FAILURE_WINDOW_MS)
      count(load.failures, wordsOf(task));
  }
  return load;
}

/** Adds one task: a stopping one still holds its resources, but does not count for evenness. */
export function addTask(load: NodeLoad, task: Task): void {
  const { nanoCpus, memoryBytes } = task.spec.resources.reservations;
  load.nanoCpus += nanoCpus;
  load.memoryBytes += memoryBytes;
  for (const port of task.endpoint.ports) {
    if (port.publishMode === "host" && port.published !== 0)
      load.hostPorts.add(`${port.protocol}/${port.published}`);
  }
  if (!isWanted(task)) return;
  load.tasks += 1;
  count(load.byService, task.serviceId);
}

/** A service's words at one version: new words have not failed anywhere yet. */
export function wordsOf({ serviceId, specVersion }: Task): string {
  return `${serviceId}@${specVersion}`;
}

function hasFailed(task: Task): boolean {
  return task.status.state === "failed" || task.status.state === "rejected";
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
