import type { Instant } from "../lib/index.ts";
import { replicasOf, type Scope } from "../model/index.ts";
import { everythingOf, type ObjectChange, type View } from "../store/index.ts";
import { Marks } from "./marks.ts";
import type { ScopedPlan } from "./planner.ts";

/** What one plan takes on: tasks to be made, and nodes. A few milliseconds of the event loop. */
const WEIGHT = 60;
const NODES = 32;
/** So many tasks can be looked at for one that is made. */
const LOOKS_PER_TASK = 8;

/**
 * What the leader still has to look at: what commits marked, and services whose time comes. It is a shortcut and no
 * truth: `begin` makes it anew from the view at any time, at the cost of looking at everything.
 */
export class Worklist {
  readonly #marks = new Marks();
  readonly #due = new Map<string, Instant>();

  /** Everything is to be looked at. */
  begin(view: View): void {
    this.add(everythingOf(view));
  }

  add(scope: Scope): void {
    this.#marks.add(scope);
  }

  /** What a commit changed; `view` is as it is after it. */
  note(view: View, changes: readonly ObjectChange[]): void {
    for (const change of changes) this.#marks.note(view, change);
  }

  /** The next part of the work; undefined when nothing is to be done at `now`. */
  take(view: View, now: Instant): Scope | undefined {
    for (const [id, at] of this.#due) if (at <= now) this.#marks.services.add(id);
    if (this.#marks.isEmpty) return undefined;
    const scope = { services: new Set<string>(), nodes: new Set<string>() };
    let weight = 0;
    for (const id of this.#marks.services) {
      weight += weightOf(view, id);
      if (weight > WEIGHT && scope.services.size > 0) break;
      scope.services.add(id);
    }
    for (const id of this.#marks.nodes) {
      if (scope.nodes.size === NODES) break;
      scope.nodes.add(id);
    }
    for (const id of scope.services) {
      this.#marks.services.delete(id);
      this.#due.delete(id);
    }
    for (const id of scope.nodes) this.#marks.nodes.delete(id);
    return scope;
  }

  /** The service cannot be planned for: not to be looked at before `until`, unless it changes. */
  park(serviceId: string, until: Instant): void {
    this.#due.set(serviceId, until);
  }

  /** A plan is written: what it left goes on, and its services have their next time. */
  settle({ due, left }: ScopedPlan): void {
    for (const [id, at] of due) {
      if (at === undefined) this.#due.delete(id);
      else this.#due.set(id, at);
    }
    this.#marks.add(left);
  }

  /** When there will be something to do although nothing changes. */
  get next(): Instant | undefined {
    let first: Instant | undefined;
    for (const at of this.#due.values()) if (first === undefined || at < first) first = at;
    return first;
  }
}

/** Tasks that will be made weigh more than those that are only looked at. */
function weightOf(view: View, serviceId: string): number {
  const mode = view.get("service", serviceId)?.spec.mode;
  const wanted = mode === undefined ? 0 : (replicasOf(mode) ?? countOf(view.all("node")));
  const there = countOf(view.tasksByService(serviceId));
  return 1 + there / LOOKS_PER_TASK + Math.max(0, wanted - there);
}

function countOf(objects: Iterable<unknown>): number {
  let count = 0;
  for (const _ of objects) count += 1;
  return count;
}
