import { equal } from "../lib/index.ts";
import {
  type Cluster,
  type Guest,
  isGlobal,
  isOtherNetwork,
  isTerminal,
  isWanted,
  type Network,
  type Node,
  type Scope,
  type Task,
} from "../model/index.ts";
import { everythingOf, type ObjectChange, type View } from "../store/index.ts";

/** A scope that grows with every change it is told of. */
export class Marks implements Scope {
  readonly services: Set<string> = new Set();
  readonly nodes: Set<string> = new Set();

  get isEmpty(): boolean {
    return this.services.size === 0 && this.nodes.size === 0;
  }

  add(scope: Scope): void {
    for (const id of scope.services) this.services.add(id);
    for (const id of scope.nodes) this.nodes.add(id);
  }

  /** Whatever the change may give a decider to say. `view` is as it is after the change. */
  note(view: View, { kind, before, after }: ObjectChange): void {
    const object = after ?? before;
    if (object === undefined) return;
    if (kind === "service") this.services.add(object.id);
    else if (kind === "task") this.#noteTask(before as Task | undefined, after as Task | undefined);
    else if (kind === "guest") this.#noteGuest(before as Guest | undefined, after as Guest | undefined);
    else if (kind === "node") this.#noteNode(view, before as Node | undefined, after as Node | undefined);
    // Whoever may be told of it is told by the dispatcher.
    else if (kind === "secret" || kind === "config") return;
    // A network or the cluster: rare, and anybody may be concerned.
    else if (
      kind === "cluster"
        ? !equal(withoutRing(before as Cluster | undefined), withoutRing(after as Cluster | undefined))
        : isOtherNetwork(before as Network | undefined, after as Network | undefined)
    )
      this.add(everythingOf(view));
  }

  #noteTask(before: Task | undefined, after: Task | undefined): void {
    const task = after ?? before;
    if (task !== undefined) this.services.add(task.serviceId);
    if (before !== undefined && after !== undefined && weighsAlike(before, after)) return;
    for (const each of [before, after]) if (each?.nodeId !== undefined) this.nodes.add(each.nodeId);
  }

  /** Its node needs an address where it is, and none where it was. */
  #noteGuest(before: Guest | undefined, after: Guest | undefined): void {
    if (equal(before?.attachments, after?.attachments)) return;
    for (const each of [before, after]) if (each !== undefined) this.nodes.add(each.nodeId);
  }

  #noteNode(view: View, before: Node | undefined, after: Node | undefined): void {
    const id = (after ?? before)?.id ?? "";
    this.nodes.add(id);
    if (before !== undefined && after !== undefined && isSameMachine(before, after)) return;
    for (const task of view.tasksByNode(id)) this.services.add(task.serviceId);
    for (const service of view.all("service")) {
      if (isGlobal(service.spec.mode.kind)) this.services.add(service.id);
    }
  }
}

/** The node carries as much after as before. */
function weighsAlike(before: Task, after: Task): boolean {
  return (
    before.nodeId === after.nodeId &&
    isTerminal(before) === isTerminal(after) &&
    isWanted(before) === isWanted(after) &&
    equal(before.attachments, after.attachments) &&
    equal(before.generic, after.generic)
  );
}

/** No decider asks for keys of tunnels. */
function withoutRing(cluster: Cluster | undefined): unknown {
  if (cluster === undefined) return undefined;
  const { tunnels: _, version: _v, updatedAt: _u, ...rest } = cluster;
  return rest;
}

/** Nothing but its own addresses has changed: no task minds. */
function isSameMachine(before: Node, after: Node): boolean {
  return (
    before.role === after.role &&
    equal(before.spec, after.spec) &&
    equal(before.status, after.status) &&
    equal(before.description, after.description) &&
    before.tunnelEnd?.lack === after.tunnelEnd?.lack
  );
}
