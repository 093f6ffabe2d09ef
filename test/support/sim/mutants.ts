import { equal } from "../../../src/lib/index.ts";
import { planScope } from "../../../src/manager/index.ts";
import { type Change, put, type Task } from "../../../src/model/index.ts";
import type { View, Write } from "../../../src/store/index.ts";
import type { Mutant } from "./sim-cluster.ts";

/** Planted faults, each in the place of a real part: a simulator that does not find them is worth nothing. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  /** A store that takes every write, whatever has become of the object since it was read. */
  "skip-version-check": {
    writes: (writes, versionOf) => writes.map((write) => unguarded(write, versionOf(write.key))),
  },
  /** A planner that never takes a node's address on a network away again. */
  "leak-address": {
    plan: (view, scope, decision) => {
      const plan = planScope(view, scope, decision);
      return { ...plan, changes: plan.changes.flatMap((change) => keepAddresses(view, change)) };
    },
  },
  /** A planner whose restarts do not wait. */
  "no-restart-delay": {
    plan: (view, scope, decision) => {
      const plan = planScope(view, scope, decision);
      return { ...plan, changes: plan.changes.map(hurried) };
    },
  },
};

/** Creations stay guarded: two objects of one key would be no lost update. */
function unguarded(write: Write, version: number): Write {
  return write.expected === 0 || version === 0 ? write : { ...write, expected: version };
}

function keepAddresses(view: View, change: Change): Change[] {
  if (change.op !== "put" || change.kind !== "node") return [change];
  const before = view.get("node", change.object.id);
  const attachments = { ...before?.attachments, ...change.object.attachments };
  const after = { ...change.object, attachments };
  return equal(before, after) ? [] : [put("node", after)];
}

function hurried(change: Change): Change {
  if (change.op !== "put" || change.kind !== "task") return change;
  const { notBefore: _, ...task } = change.object;
  return put("task", task as Task);
}
