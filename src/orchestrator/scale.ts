import { type Decision, newTask, type Service, type Task } from "../model/index.ts";
import { isRunning, type Slot } from "./slots.ts";

/** Slots that one plan adds or gives up; the next one goes on. A plan stays small however large the service. */
const AT_ONCE = 100;

/** New tasks for the lowest free slot numbers, as many as are missing (and as one plan takes). */
export function scaleUp(
  service: Service,
  taken: ReadonlySet<number>,
  missing: number,
  decision: Decision,
): Task[] {
  const tasks: Task[] = [];
  for (let slot = 1; tasks.length < Math.min(missing, AT_ONCE); slot++) {
    if (!taken.has(slot)) tasks.push(newTask(decision.newId(), service, slot, decision.now));
  }
  return tasks;
}

/**
 * The slots to give up now, most crowded nodes first, those not running before those that run, high numbers first
 * (swarmkit replicated/slot.go): slots are ranked by how many of their service's slots their node holds before them.
 */
export function scaleDown(slots: readonly Slot[], surplus: number): Slot[] {
  const ordered = [...slots].sort((a, b) => Number(runs(b)) - Number(runs(a)) || a.number - b.number);
  const onNode = new Map<string, number>();
  const ranked = ordered.map((slot) => {
    const node = slot.wanted[0]?.nodeId ?? "";
    const rank = onNode.get(node) ?? 0;
    onNode.set(node, rank + 1);
    return { slot, rank };
  });
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(ranked.length - Math.min(surplus, AT_ONCE)).map((r) => r.slot);
}

function runs(slot: Slot): boolean {
  return slot.wanted.some(isRunning);
}
