import { type Decision, replicasOf, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { settle } from "./places.ts";
import { isRunning, type Slot } from "./slots.ts";

/** Slots that one plan adds or gives up; the next one goes on. A plan stays small however large the service. */
const AT_ONCE = 100;

/**
 * New tasks for the lowest free slot numbers, as many as are missing. One that still stops where a slot was given up a moment ago
 * is waited for (in Swarm both run).
 */
export function scaleUp(
  view: View,
  service: Service,
  slots: readonly Slot[],
  filled: readonly Slot[],
  decision: Decision,
): Task[] {
  const missing = (replicasOf(service.spec.mode) ?? 0) - filled.length;
  const taken = new Set(filled.map((slot) => slot.number));
  const past = new Map(slots.map((slot) => [slot.number, slot.tasks]));
  const tasks: Task[] = [];
  for (let number = 1; tasks.length < missing; number++) {
    if (!taken.has(number)) tasks.push(settle(view, service, { number }, past.get(number) ?? [], decision));
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
