import { type Decision, isTerminal, type Plan, put, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { letGo, type Mending, mend } from "./mend.ts";
import { mayRestart } from "./restart.ts";
import type { Slot } from "./slots.ts";
import { stepUpdate } from "./update.ts";

/**
 * The plan for a service's filled slots (`added`: tasks made for others): lost tasks replaced, the rolling update moved
 * on, waiting tasks let go.
 */
export function planSlots(
  view: View,
  service: Service,
  filled: readonly Slot[],
  added: readonly Task[],
  decision: Decision,
): Plan {
  const mended = mend(view, service, filled, decision);
  const spent = new Set(filled.filter((slot) => isSpent(service, slot)));
  const step = stepUpdate({ service, slots: filled, lost: mended.slots, spent }, decision);
  const waiting = letGo(view, filled, [...mended.tasks, ...step.tasks], decision.now);
  const mending: Mending = {
    tasks: [...mended.tasks, ...added, ...step.tasks, ...waiting.tasks],
    ...earliest(step.again, waiting.again),
  };
  return planOf(service, mending, step.service);
}

/** The tasks, and where it changed the service, as one plan. */
export function planOf(service: Service, { tasks, again }: Mending, changed?: Service): Plan {
  return {
    changes: [...(changed ? [put("service", changed)] : []), ...tasks.map((task) => put("task", task))],
    ...(again !== undefined && { again }),
    because: `service ${service.spec.name}`,
  };
}

/** A slot is filled while a task of it is wanted, or when its last one ended for good under the words that still hold. */
export function isFilled(service: Service, slot: Slot): boolean {
  if (slot.wanted.length > 0) return true;
  const [last] = slot.tasks;
  if (last === undefined || last.desiredState === "remove") return false;
  return !isDirty(service, last) && !mayRestart(slot, last);
}

/** The newest words were tried in this slot and ended for good (start-first: the old task still runs there). */
export function isSpent(service: Service, slot: Slot): boolean {
  const tried = slot.tasks.find((task) => !isDirty(service, task));
  return tried !== undefined && isTerminal(tried) && !mayRestart(slot, tried);
}

export function earliest(...instants: (number | undefined)[]): { again?: number } {
  const known = instants.filter((i) => i !== undefined);
  return known.length === 0 ? {} : { again: Math.min(...known) };
}
