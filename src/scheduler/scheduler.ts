import {
  type Change,
  type Decision,
  isWanted,
  type Node,
  type Plan,
  put,
  type Scope,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { FILTERS } from "./filters.ts";
import { addTask, loadOf, type NodeLoad, wordsOf } from "./load.ts";

interface Candidate {
  readonly node: Node;
  readonly load: NodeLoad;
}

/** Failures of a service on a node from which on the node is avoided (swarmkit nodeinfo.go maxFailures). */
const MANY_FAILURES = 5;

/** A node for every task that waits for one, or the reason why there is none. */
export function planSchedule(view: View, decision: Decision, _scope: Scope): Plan {
  const waiting = [...view.all("task")].filter(
    (t) => t.status.state === "pending" && t.nodeId === undefined && isWanted(t),
  );
  if (waiting.length === 0) return { changes: [], because: "nothing to schedule" };
  const candidates = [...view.all("node")].map((node) => ({
    node,
    load: loadOf(view.tasksByNode(node.id), decision.now),
  }));
  const changes: Change[] = [];
  for (const task of waiting.sort(byAge)) {
    const next = place(task, candidates, decision.now);
    if (next !== undefined) changes.push(put("task", next));
  }
  return { changes, because: "scheduling" };
}

/** The oldest first; those of one service together, so that all nodes fill evenly. */
function byAge(a: Task, b: Task): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  if (a.serviceId !== b.serviceId) return a.serviceId < b.serviceId ? -1 : 1;
  return a.slot - b.slot;
}

/** The task with a node, or with its reason; undefined when there is nothing new to say. */
function place(task: Task, candidates: readonly Candidate[], now: number): Task | undefined {
  let best: Candidate | undefined;
  const unfit = new Map<string, number>();
  for (const candidate of candidates) {
    const failed = FILTERS.find((filter) => !filter.check(task, candidate.node, candidate.load));
    if (failed !== undefined) unfit.set(failed.name, (unfit.get(failed.name) ?? 0) + 1);
    else if (best === undefined || compare(task, candidate, best) < 0) best = candidate;
  }
  if (best === undefined) {
    const error = explain(unfit);
    return task.status.error === error ? undefined : { ...task, status: { ...task.status, error } };
  }
  const status = { at: now, state: "assigned", message: "scheduler assigned task to node" } as const;
  const placed: Task = { ...task, nodeId: best.node.id, status };
  addTask(best.load, placed);
  return placed;
}

/** Fewer recent failures first where there are many, then fewer tasks of the service, then fewer tasks (spread). */
function compare(task: Task, a: Candidate, b: Candidate): number {
  const failures = ({ load }: Candidate) => load.failures.get(wordsOf(task)) ?? 0;
  if (Math.max(failures(a), failures(b)) >= MANY_FAILURES && failures(a) !== failures(b)) {
    return failures(a) - failures(b);
  }
  const siblings = ({ load }: Candidate) => load.byService.get(task.serviceId) ?? 0;
  return siblings(a) - siblings(b) || a.load.tasks - b.load.tasks || (a.node.id < b.node.id ? -1 : 1);
}

/** "no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks)". */
function explain(unfit: ReadonlyMap<string, number>): string {
  const reasons = [...unfit]
    .sort(([, a], [, b]) => b - a)
    .map(([name, nodes]) => FILTERS.find((f) => f.name === name)?.explain(nodes));
  return reasons.length === 0 ? "no suitable node" : `no suitable node (${reasons.join("; ")})`;
}
