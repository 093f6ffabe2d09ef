import type { Instant } from "../lib/index.ts";
import { replicasOf, type Scope } from "../model/index.ts";
import { everythingOf, type ObjectChange, type View } from "../store/index.ts";
import { Marks } from "./marks.ts";
import type { ScopedPlan } from "./planner.ts";

/** What one plan takes on: services and their tasks together, and nodes. A few milliseconds of the event loop. */
const SERVICE_WEIGHT = 100;
const NODES = 32;

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
      if (weight > SERVICE_WEIGHT && scope.services.size > 0) break;
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

/** The tasks it has, or will have. */
function weightOf(view: View, serviceId: string): number {
  const mode = view.get("service", serviceId)?.spec.mode;
  const wanted = mode === undefined ? 0 : (replicasOf(mode) ?? countOf(view.all("node")));
  return 1 + Math.max(wanted, countOf(view.tasksByService(serviceId)));
}

function countOf(objects: Iterable<unknown>): number {
  let count = 0;
  for (const _ of objects) count += 1;
  return count;
}
