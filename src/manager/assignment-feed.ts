import { equal } from "../lib/index.ts";
import { type Cluster, isOtherNetwork, type Network, namedFilesOf, type Task } from "../model/index.ts";
import type { ObjectChange, View } from "../store/index.ts";
import { type AssignmentSet, assignmentsFor, assignmentsOf, isAway, readerOf } from "./assignments.ts";

/** What makes a holder of one set hold the next. */
export interface AssignmentDiff {
  readonly upserts: readonly { readonly key: string; readonly json: string }[];
  readonly removals: readonly string[];
}

/**
 * What one node has been told, kept up to date commit by commit. A commit costs its own objects and not the cluster's;
 * only when the node comes to or leaves a network is its set made anew.
 */
export class AssignmentFeed {
  readonly #nodeId: string;
  #told = new Map<string, string>();
  /** Nodes that were down or gone when their tasks and guests were last told. */
  readonly #away = new Set<string>();

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** Everything that was told so far. */
  get told(): AssignmentSet {
    return this.#told;
  }

  /** The whole set as it is now, as a difference to nothing. */
  begin(view: View): AssignmentDiff {
    this.#told = new Map();
    return this.#renew(view);
  }

  /** What is to be told after commits that were not followed. */
  catchUp(view: View): AssignmentDiff {
    return this.#renew(view);
  }

  /** What a commit means to the node; `view` has it already. */
  follow(view: View, changes: readonly ObjectChange[]): AssignmentDiff {
    if (changes.some((change) => this.#moves(change))) return this.#renew(view);
    const reader = readerOf(view, this.#nodeId);
    if (reader === undefined) return { upserts: [], removals: [] };
    const rows = new Map<string, string | undefined>();
    const tell = (kind: ObjectChange["kind"], id: string) => {
      for (const [key, json] of assignmentsOf(reader, kind, id)) rows.set(key, json);
    };
    for (const change of changes) {
      const id = idOf(change);
      for (const task of this.#ownOf(change)) {
        for (const { kind, reference } of namedFilesOf(task.spec.container)) tell(kind, reference.id);
      }
      tell(change.kind, id);
      // Other keys, of everybody.
      if (change.kind === "cluster" && hasOtherRing(change))
        for (const node of view.all("node")) tell("node", node.id);
      if (change.kind === "node" && this.#noteAway(view, id)) {
        for (const task of view.tasksByNode(id)) tell("task", task.id);
        for (const guest of view.guestsByNode(id)) tell("guest", guest.id);
      }
    }
    return this.#take(rows);
  }

  /** The task before and after the change, as far as it is this node's. */
  #ownOf({ kind, before, after }: ObjectChange): Task[] {
    if (kind !== "task") return [];
    return [before, after].flatMap((each) => {
      const task = each as Task | undefined;
      return task?.nodeId === this.#nodeId ? [task] : [];
    });
  }

  /** True when the change may put the node on other networks, or another network under it, or give it other keys. */
  #moves({ kind, before, after }: ObjectChange): boolean {
    if (kind === "network")
      return isOtherNetwork(before as Network | undefined, after as Network | undefined);
    if (kind !== "node" || (after ?? before)?.id !== this.#nodeId) return false;
    return !equal(standingOf(before), standingOf(after));
  }

  #renew(view: View): AssignmentDiff {
    for (const { id } of view.all("node")) this.#noteAway(view, id);
    const next: ReadonlyMap<string, string | undefined> = assignmentsFor(view, this.#nodeId);
    const gone = [...this.#told.keys()].filter((key) => !next.has(key));
    return this.#take(new Map([...next, ...gone.map((key) => [key, undefined] as const)]));
  }

  /** Whether the node went away or came back. */
  #noteAway(view: View, nodeId: string): boolean {
    const away = isAway(view, nodeId);
    if (away === this.#away.has(nodeId)) return false;
    if (away) this.#away.add(nodeId);
    else this.#away.delete(nodeId);
    return true;
  }

  #take(rows: ReadonlyMap<string, string | undefined>): AssignmentDiff {
    const upserts: { key: string; json: string }[] = [];
    const removals: string[] = [];
    for (const [key, json] of rows) {
      if (json === undefined) {
        if (this.#told.delete(key)) removals.push(key);
      } else if (this.#told.get(key) !== json) {
        this.#told.set(key, json);
        upserts.push({ key, json });
      }
    }
    return { upserts, removals };
  }
}

/** The id of the object that a change is of. */
export function idOf({ before, after }: ObjectChange): string {
  return (after ?? before)?.id ?? "";
}

function hasOtherRing({ before, after }: ObjectChange): boolean {
  return !equal((before as Cluster | undefined)?.tunnels, (after as Cluster | undefined)?.tunnels);
}

/** What of a node decides which networks it is told of, and which keys it has with everybody. */
function standingOf(node: ObjectChange["after"]): unknown {
  if (node === undefined || !("attachments" in node)) return undefined;
  return [node.attachments, "tunnelEnd" in node ? node.tunnelEnd : undefined];
}
