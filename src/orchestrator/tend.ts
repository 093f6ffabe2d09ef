import { type Decision, isTerminal, type Plan, put, type Service } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { letGo, type Mending, mend } from "./mend.ts";
import { mayRestart } from "./restart.ts";
import type { Slot } from "./slots.ts";
import { stepUpdate } from "./update.ts";

/** What is to be written of a service, and when to look again. */
export interface Tending extends Partial<Mending> {
  readonly service?: Service;
}

/** What the filled slots of a service that runs for ever need: lost tasks replaced, the rolling update moved on, waiting tasks let go. */
export function tend(view: View, service: Service, filled: readonly Slot[], decision: Decision): Tending {
  const mended = mend(view, service, filled, decision);
  const spent = new Set(filled.filter((slot) => isSpent(service, slot)));
  const step = stepUpdate({ service, slots: filled, lost: mended.slots, spent }, decision);
  const written = [...mended.tasks, ...step.tasks];
  const waiting = letGo(view, filled, written, decision.now);
  return {
    ...(step.service && { service: step.service }),
    tasks: [...written, ...waiting.tasks],
    ...earliest(step.again, waiting.again),
  };
}

/** Everything that a service needs, as one plan. */
export function planOf(service: Service, ...parts: readonly Tending[]): Plan {
  return {
    changes: [
      ...parts.flatMap((part) => (part.service ? [put("service", part.service)] : [])),
      ...parts.flatMap((part) => part.tasks ?? []).map((task) => put("task", task)),
    ],
    ...earliest(...parts.map((part) => part.again)),
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

function earliest(...instants: (number | undefined)[]): { again?: number } {
  const known = instants.filter((i) => i !== undefined);
  return known.length === 0 ? {} : { again: Math.min(...known) };
}
