import { labelOf, type Node } from "../model/index.ts";

/** A node that may take a task, as the choice sees it. Counts move with what is placed. */
export interface Candidate {
  readonly node: Node;
  /** Recent failures of the words that are placed. */
  readonly failures: number;
  /** Tasks of the service here, and of all. */
  siblings: number;
  tasks: number;
}

/** Failures of a service on a node from which on the node is avoided (swarmkit nodeinfo.go maxFailures). */
const MANY_FAILURES = 5;

/**
 * Nodes by the values of the spread labels: a branch a value at every level, one of its own for nodes without the label
 * (""). A task goes down where the service has the fewest tasks, and at the end to the best node, so that branches fill
 * evenly at every level as far as there is room (swarmkit scheduler.go scheduleNTasksOnSubtree).
 */
export class Branch {
  readonly value: string;
  /** Of the service, on all nodes of the branch, fit or not. */
  #siblings = 0;
  readonly #branches = new Map<string, Branch>();
  /** Branches that may have room. */
  readonly #open = new Set<Branch>();
  /** Of the lowest level: who can take a task, the best last. */
  #fit: Candidate[] = [];

  constructor(value: string) {
    this.value = value;
  }

  /** Enters a node; an unfit one counts with what it has, and takes nothing. */
  add(candidate: Candidate, isFit: boolean, labels: readonly string[]): void {
    this.#siblings += candidate.siblings;
    const [label, ...deeper] = labels;
    if (label === undefined) {
      if (isFit) this.#fit.push(candidate);
      return;
    }
    const value = labelOf(label, candidate.node) ?? "";
    const branch = this.#branches.get(value) ?? new Branch(value);
    this.#branches.set(value, branch);
    this.#open.add(branch);
    branch.add(candidate, isFit, deeper);
  }

  /** To be called when all nodes are entered. */
  settle(): void {
    this.#fit.sort((a, b) => compare(b, a));
    for (const branch of this.#branches.values()) branch.settle();
  }

  /** Gives a task to the node whose turn it is. `assign` says whether it could take one more. False: there is no room. */
  placeOne(assign: (candidate: Candidate) => boolean): boolean {
    const placed = this.#branches.size === 0 ? this.#placeHere(assign) : this.#placeBelow(assign);
    if (placed) this.#siblings += 1;
    return placed;
  }

  #placeHere(assign: (candidate: Candidate) => boolean): boolean {
    const best = this.#fit.pop();
    if (best === undefined) return false;
    const hasRoom = assign(best);
    best.siblings += 1;
    best.tasks += 1;
    if (hasRoom) this.#fit.splice(placeOf(this.#fit, best), 0, best);
    return true;
  }

  #placeBelow(assign: (candidate: Candidate) => boolean): boolean {
    while (this.#open.size > 0) {
      const least = [...this.#open].reduce((a, b) => (isBefore(a, b) ? a : b));
      if (least.placeOne(assign)) return true;
      this.#open.delete(least);
    }
    return false;
  }

  get siblings(): number {
    return this.#siblings;
  }
}

function isBefore(a: Branch, b: Branch): boolean {
  return a.siblings === b.siblings ? a.value < b.value : a.siblings < b.siblings;
}

/** Fewer recent failures first where there are many, then fewer tasks of the service, then fewer tasks (spread). */
function compare(a: Candidate, b: Candidate): number {
  if (Math.max(a.failures, b.failures) >= MANY_FAILURES && a.failures !== b.failures) {
    return a.failures - b.failures;
  }
  return a.siblings - b.siblings || a.tasks - b.tasks || (a.node.id < b.node.id ? -1 : 1);
}

/** Where a candidate belongs in a list that has the best last. */
function placeOf(sorted: readonly Candidate[], candidate: Candidate): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = sorted[middle];
    if (other !== undefined && compare(other, candidate) > 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
