import { equal } from "../../../../src/lib/index.ts";
import { type DesiredState, stateRank, type Task } from "../../../../src/model/index.ts";
import { TaskNames } from "../names.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";

const GOALS: readonly DesiredState[] = ["ready", "running", "complete", "shutdown", "remove"];

/** Each sentence with the test of whether a change of a task breaks it. */
const LAWS: readonly (readonly [string, (before: Task, after: Task) => boolean])[] = [
  ["its state went back", (a, b) => stateRank(b.status.state) < stateRank(a.status.state)],
  ["its desired state went back", (a, b) => GOALS.indexOf(b.desiredState) < GOALS.indexOf(a.desiredState)],
  ["it changed its node", (a, b) => a.nodeId !== undefined && a.nodeId !== b.nodeId],
  ["its addresses changed", (a, b) => a.attachments.length > 0 && !equal(a.attachments, b.attachments)],
  ["its words changed", (a, b) => a.specVersion !== b.specVersion || !equal(a.spec, b.spec)],
  ["it changed its slot", (a, b) => a.slot !== b.slot || a.serviceId !== b.serviceId],
];

/** A task only goes forward, on one node, with the words it was born with. */
export function tasksGoForward(world: SimCluster): Watcher {
  const names = new TaskNames();
  return {
    onChanges(changes) {
      for (const { kind, before, after } of changes) {
        if (kind !== "task" || before === undefined || after === undefined) continue;
        const [was, is] = [before as Task, after as Task];
        for (const [what, breaks] of LAWS) {
          if (breaks(was, is)) world.breaks(`task ${names.of(is)}: ${what} (${told(was)} to ${told(is)})`);
        }
      }
    },
  };
}

function told({ status, desiredState, nodeId }: Task): string {
  return `${status.state}, ${desiredState}, on ${nodeId ?? "none"}`;
}
