import { type Decision, type Plan, replicasOf, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { forget } from "./forget.ts";
import { scaleDown, scaleUp } from "./scale.ts";
import { type Slot, slotsOf } from "./slots.ts";
import { isFilled, planOf, tend } from "./tend.ts";

/**
 * What must change so that a replicated service has its replicas: slots added or given up, and those there are tended.
 * One pass does what can be done now.
 */
export function planReplicated(view: View, service: Service, decision: Decision): Plan {
  const slots = slotsOf(view.tasksByService(service.id));
  const filled = slots.filter((slot) => isFilled(slot));
  const surplus = filled.length - (replicasOf(service.spec.mode) ?? 0);
  if (surplus > 0) return planOf(service, { tasks: removeSlots(scaleDown(filled, surplus)) });
  const added = scaleUp(view, service, slots, filled, decision);
  return planOf(service, tend(view, service, filled, decision), { tasks: added });
}

function removeSlots(slots: readonly Slot[]): Task[] {
  return slots.flatMap((slot) => forget(slot.tasks));
}
