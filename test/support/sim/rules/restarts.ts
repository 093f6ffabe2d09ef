import type { Node, Task } from "../../../../src/model/index.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";
import { slotOf, taskOf } from "./slots.ts";

/** What an instant here and one there may differ by. */
const TOLERANCE_MS = 100;
const CLOCK_MS = 600_000;

interface Ending {
  readonly task: Task;
  readonly at: number;
}

/** What ended by itself is followed no sooner than its restart delay says. */
export function restartsWait(world: SimCluster): Watcher {
  const ended = new Map<string, Ending>();
  const ordered = new Set<string>();
  /** By node: when it was last seen other than ready and active. */
  const unfit = new Map<string, number>();
  const mayHurry = ({ task: old, at }: Ending, task: Task): boolean => {
    const now = world.view.get("task", old.id);
    // A host that was lost may yet start what it was told to long ago.
    if (task.createdAt < old.createdAt) return true;
    // Another spec, or a slot given up and taken again: nothing of that waits.
    if (now === undefined || now.desiredState === "remove" || old.specVersion !== task.specVersion)
      return true;
    const node = world.view.get("node", old.nodeId ?? "");
    if (!isFit(node) || (unfit.get(node?.id ?? "") ?? 0) >= at) return true;
    return world.clock.now() < world.clocksSetAt + CLOCK_MS;
  };
  return {
    onChanges(changes) {
      for (const { kind, before, after } of changes) {
        if (kind !== "node") continue;
        for (const node of [before as Node | undefined, after as Node | undefined])
          if (node !== undefined && !isFit(node)) unfit.set(node.id, world.clock.now());
      }
    },
    onContainer(host, event) {
      const task = taskOf(world, event);
      const { id } = event.container;
      if (event.action === "kill") ordered.add(id);
      if (event.action === "destroy") ordered.delete(id);
      if (task === undefined) return;
      if (event.action === "die" && !ordered.has(id) && host.isUp)
        ended.set(slotOf(task), { task, at: world.clock.now() });
      if (event.action !== "start") return;
      const last = ended.get(slotOf(task));
      ended.delete(slotOf(task));
      if (last === undefined || mayHurry(last, task)) return;
      const waited = world.clock.now() - last.at;
      const { delayMs } = task.spec.restart;
      if (waited + TOLERANCE_MS + clocksApart(world) < delayMs)
        world.breaks(`${slotOf(task)} is restarted ${waited} ms after its end, not ${delayMs}`);
    },
  };
}

/** A delay is begun by one manager's clock, and may be ended by another's. */
function clocksApart({ managers }: SimCluster): number {
  const all = managers.map(({ ahead }) => ahead);
  return Math.max(...all) - Math.min(...all);
}

function isFit(node: Node | undefined): boolean {
  return node?.status.state === "ready" && node.spec.availability === "active";
}
