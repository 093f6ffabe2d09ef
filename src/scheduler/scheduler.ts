import {
  type Change,
  claim,
  type Decision,
  isSpreadDescriptor,
  isWanted,
  type Node,
  type Plan,
  put,
  type Scope,
  type Task,
} from "../model/index.ts";
import { type Derived, tallyOf, type View } from "../store/index.ts";
import { LOADS, type Loads, recentFailures, wordsOf } from "./load.ts";
import { Question } from "./question.ts";
import { Branch, type Candidate } from "./spread.ts";

/** Tasks that one pass says something of; the next pass goes on. */
const MOST = 200;

/** Services with tasks that wait for a node, or for a word on theirs. */
const WAITING: Derived<Map<string, number>> = tallyOf("task", (task) =>
  isWaiting(task) ? task.serviceId : undefined,
);

function isWaiting(task: Task): boolean {
  return task.status.state === "pending" && isWanted(task);
}

/** A pass over what waits: the nodes, what they carry (with what this pass gives them), and what there is to write. */
interface Pass {
  readonly view: View;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly loads: Loads;
  readonly decision: Decision;
  readonly changes: Change[];
}

/** A node for every task that waits for one, or the reason why there is none. */
export function planSchedule(view: View, decision: Decision, scope: Scope): Plan {
  const groups = groupsOf(view, scope);
  if (groups.length === 0) return { changes: [], because: "nothing to schedule" };
  const pass: Pass = {
    view,
    nodes: new Map([...view.all("node")].map((node) => [node.id, node])),
    loads: LOADS.fork(view.derive(LOADS)),
    decision,
    changes: [],
  };
  const left = groups.map((group) => [...confirm(pass, group), ...place(pass, group)]);
  // What is said of the rest holds once all is placed: planning again has nothing to add.
  if (pass.changes.length < MOST) for (const group of left) explain(pass, group);
  return { changes: pass.changes.slice(0, MOST), because: "scheduling" };
}

/**
 * Tasks that wait, those of one service and words together, the group of the oldest first. Where no node has changed,
 * those that found none before need not be asked again.
 */
function groupsOf(view: View, scope: Scope): Task[][] {
  const groups = new Map<string, Task[]>();
  for (const serviceId of view.derive(WAITING).keys()) {
    if (scope.nodes.size === 0 && !scope.services.has(serviceId)) continue;
    for (const task of view.tasksByService(serviceId)) {
      if (!isWaiting(task)) continue;
      const group = groups.get(wordsOf(task));
      if (group === undefined) groups.set(wordsOf(task), [task]);
      else group.push(task);
    }
  }
  const sorted = [...groups.values()].map((group) => group.sort(byAge));
  return sorted.sort(([a], [b]) => (a === undefined || b === undefined ? 0 : byAge(a, b)));
}

function byAge(a: Task, b: Task): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  if (a.serviceId !== b.serviceId) return a.serviceId < b.serviceId ? -1 : 1;
  return a.specVersion - b.specVersion || a.slot - b.slot || (a.id < b.id ? -1 : 1);
}

/** Lets tasks that were born with a node (global services') run there; returns those that may not yet. */
function confirm(pass: Pass, group: readonly Task[]): readonly Task[] {
  const bound = group.filter((task) => task.nodeId !== undefined);
  const question = questionOf(pass, bound);
  return bound.filter((task) => {
    const node = pass.nodes.get(task.nodeId ?? "");
    if (node === undefined || pass.changes.length >= MOST) return true;
    if (question?.isFit(node, pass.loads.of(node.id)) !== true) return true;
    assign(pass, task, node, "scheduler confirmed task can run on preassigned node");
    return false;
  });
}

/** Gives nodes to tasks that have none; returns those that got none. */
function place(pass: Pass, group: readonly Task[]): readonly Task[] {
  const free = group.filter((task) => task.nodeId === undefined);
  const question = questionOf(pass, free);
  if (question === undefined) return [];
  const root = rootOf(pass, free, question);
  for (const [i, task] of free.entries()) {
    const placed =
      pass.changes.length < MOST &&
      root.placeOne(({ node }) => {
        assign(pass, task, node, "scheduler assigned task to node");
        return question.isFit(node, pass.loads.of(node.id));
      });
    if (!placed) return free.slice(i);
  }
  return [];
}

/** Why each waits; Swarm puts a task's own node in fewer words. */
function explain(pass: Pass, group: readonly Task[]): void {
  const question = questionOf(pass, group);
  if (question === undefined) return;
  const carriers = (nodes: Iterable<Node>) => [...nodes].map((n) => [n, pass.loads.of(n.id)] as const);
  let anywhere: string | undefined;
  for (const task of group) {
    const node = pass.nodes.get(task.nodeId ?? "");
    if (node !== undefined) tell(pass, task, question.explain(carriers([node])));
    else if (task.nodeId === undefined) {
      anywhere ??= question.explain(carriers(pass.nodes.values()));
      tell(pass, task, anywhere === "" ? "no suitable node" : `no suitable node (${anywhere})`);
    }
  }
}

/** All tasks of a group ask the same. */
function questionOf({ view }: Pass, [first]: readonly Task[]): Question | undefined {
  return first === undefined ? undefined : new Question(first, view);
}

/** All nodes, by the spread labels of the group's words. */
function rootOf({ nodes, loads, decision }: Pass, [task]: readonly Task[], question: Question): Branch {
  const root = new Branch("");
  if (task === undefined) return root;
  const labels = task.spec.placement.preferences.map(({ spread }) => spread).filter(isSpreadDescriptor);
  for (const node of nodes.values()) {
    const load = loads.of(node.id);
    const candidate: Candidate = {
      node,
      failures: recentFailures(load, wordsOf(task), decision.now),
      siblings: load.byService.get(task.serviceId) ?? 0,
      tasks: load.tasks,
    };
    root.add(candidate, question.isFit(node, load), labels);
  }
  root.settle();
  return root;
}

function assign({ loads, decision, changes }: Pass, task: Task, node: Node, message: string): void {
  const { generic: wanted } = task.spec.resources.reservations;
  const total = node.description?.resources;
  const generic = total === undefined ? [] : claim(total, loads.of(node.id), wanted);
  const placed: Task = {
    ...task,
    nodeId: node.id,
    ...(generic.length > 0 && { generic }),
    status: { at: decision.now, state: "assigned", message },
  };
  loads.enter(placed);
  changes.push(put("task", placed));
}

/** Why it waits, once. */
function tell({ changes }: Pass, task: Task, error: string): void {
  if (task.status.error !== error) changes.push(put("task", { ...task, status: { ...task.status, error } }));
}
