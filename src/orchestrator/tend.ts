import type { Decision, Plan, Service } from "../model/index.ts";
import { put } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { mayRestart } from "./backoff.ts";
import { letGo, type Mending, mend } from "./mend.ts";
import type { Slot } from "./slots.ts";
import { stepUpdate } from "./update.ts";

/** What is to be written of a service, and when to look again. */
export interface Tending extends Partial<Mending> {
  readonly service?: Service;
}

/** What the filled slots of a service that runs for ever need: lost tasks replaced, the rolling update moved on, waiting tasks let go. */
export function tend(view: View, service: Service, filled: readonly Slot[], decision: Decision): Tending {
  const mended = mend(view, service, filled, decision);
  const step = stepUpdate({ view, service, slots: filled, mended: mended.slots }, decision);
  // Other words from here on: what is lost is followed with these, by the next look.
  if (step.service !== undefined && step.service.specVersion !== service.specVersion)
    return { service: step.service };
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

/** A slot is filled while a task of it is wanted, or when its last one ended for good: it waits for other words, then. */
export function isFilled(slot: Slot): boolean {
  if (slot.wanted.length > 0) return true;
  const [last] = slot.tasks;
  return last !== undefined && last.desiredState !== "remove" && !mayRestart(last);
}

function earliest(...instants: (number | undefined)[]): { again?: number } {
  const known = instants.filter((i) => i !== undefined);
  return known.length === 0 ? {} : { again: Math.min(...known) };
}
