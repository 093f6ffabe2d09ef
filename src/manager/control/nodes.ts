import { Fault } from "../../lib/index.ts";
import { type Change, type Node, type NodeSpec, put, remove } from "../../model/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";
import { write } from "./write.ts";

/** Nodes as the user speaks of them. */
export class NodeControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Node[] {
    return [...this.#parts.store.view.all("node")];
  }

  get(ref: string): Node {
    return requireByRef(this.#parts.store.view, "node", ref);
  }

  /** Replaces the spec (availability, labels). A change of role needs more than one manager, which is not built yet. */
  async update(ref: string, version: number, spec: NodeSpec): Promise<void> {
    const { id } = this.get(ref);
    await write(this.#parts.store, (view) => {
      const node = requireByRef(view, "node", id);
      if (node.version !== version) throw new Fault("conflict", "update out of sequence");
      if (spec.role !== node.spec.role) throw roleFault(this.list(), node);
      return [put("node", { ...node, spec })];
    });
  }

  /** Forgets a node that is down (or with force any worker), the tasks it ran, and what its containers made by hand held. */
  async remove(ref: string, force: boolean): Promise<void> {
    await write(this.#parts.store, (view) => {
      const node = requireByRef(view, "node", ref);
      const prefix = "rpc error: code = FailedPrecondition desc = ";
      if (node.role === "manager") {
        const what = `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`;
        throw new Fault("precondition", prefix + what);
      }
      if (node.status.state === "ready" && !force) {
        throw new Fault("precondition", `${prefix}node ${node.id} is not down and can't be removed`);
      }
      const tasks: Change[] = [...view.tasksByNode(node.id)]
        .filter((t) => t.desiredState === "shutdown" || t.desiredState === "remove")
        .map((t) => remove("task", t));
      const guests = [...view.guestsByNode(node.id)].map((guest) => remove("guest", guest));
      return [remove("node", node), ...tasks, ...guests];
    });
  }
}

function roleFault(all: readonly Node[], node: Node): Fault {
  if (node.role === "manager" && all.filter((n) => n.role === "manager").length === 1) {
    const what = "attempting to demote the last manager of the swarm";
    return new Fault("precondition", `rpc error: code = FailedPrecondition desc = ${what}`);
  }
  return new Fault(
    "unsupported",
    `cannot change the role of node ${node.id}: more than one manager is not supported yet`,
  );
}
