import type { Decision, Plan, Service } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { groundsOf } from "./grounds.ts";
import { letGo } from "./mend.ts";
import { pause, settle, slotsOn, vacate } from "./places.ts";
import { slotsOf } from "./slots.ts";
import { isFilled, planOf, tend } from "./tend.ts";

/**
 * What must change so that every node that a global service is for runs one task of it, and no other node does (swarmkit
 * orchestrator/global). A node's tasks are its slot: restarts and updates go over nodes as over a replicated service's slots.
 */
export function planGlobal(view: View, service: Service, decision: Decision): Plan {
  const slots = slotsOf(view.tasksByService(service.id));
  const { open, paused } = groundsOf(view, service);
  const here = slotsOn(slots, open);
  const filled = here.filter((slot) => isFilled(slot));
  const kept = slotsOn(slots, paused);
  const left = slots.filter((slot) => !here.includes(slot) && !kept.includes(slot));
  const told = [...left.flatMap((slot) => vacate(view, slot)), ...kept.flatMap((slot) => pause(view, slot))];
  const taken = new Set(filled.map((slot) => slot.key));
  const past = new Map(here.map((slot) => [slot.key, slot.tasks]));
  const added = open
    .filter(({ id }) => !taken.has(id))
    .map(({ id }) => settle(view, service, { number: 0, nodeId: id }, past.get(id) ?? [], decision));
  return planOf(
    service,
    tend(view, service, filled, decision),
    { tasks: [...told, ...added] },
    letGo(view, kept, told, decision.now),
  );
}
