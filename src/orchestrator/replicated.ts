import type { Instant } from "../lib/index.ts";
import {
  type Decision,
  isTerminal,
  type Plan,
  put,
  replicasOf,
  type Service,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { isHeld, isLost, mayRestart, release, replaceLost } from "./restart.ts";
import { scaleDown, scaleUp } from "./scale.ts";
import { type Slot, slotsOf } from "./slots.ts";
import { stepUpdate } from "./update.ts";

/**
 * What must change so that a replicated service has its replicas: lost tasks replaced, slots added or given up,
 * the rolling update moved on, waiting tasks let go. One pass does what can be done now.
 */
export function planReplicated(view: View, service: Service, decision: Decision): Plan {
  const slots = slotsOf(view.tasksByService(service.id));
  const filled = slots.filter((slot) => isFilled(service, slot));
  const surplus = filled.length - (replicasOf(service.spec.mode) ?? 0);
  if (surplus > 0) return planOf(service, removeSlots(scaleDown(filled, surplus)), "too many replicas");

  const lost = new Set(filled.flatMap((slot) => slot.wanted).filter((task) => isLost(view, task)));
  const due = [...lost].filter((task) => !isHeld(view, task, decision.now));
  const replaced = filled.flatMap((slot) =>
    due
      .filter((t) => slot.wanted.includes(t))
      .flatMap((t) => replaceOne(view, service, slot, t, lost, decision)),
  );
  const taken = new Set(filled.map((slot) => slot.number));
  const added = surplus < 0 ? scaleUp(service, taken, -surplus, decision) : [];
  const ground = {
    service,
    slots: filled,
    lost: new Set(filled.filter((slot) => slot.wanted.some((task) => lost.has(task)))),
    spent: new Set(filled.filter((slot) => isSpent(service, slot))),
  };
  const step = stepUpdate(ground, decision);
  const touched = new Set([...replaced, ...step.tasks].map((task) => task.id));
  const waiting = letGo(view, filled, touched, decision.now);
  return {
    changes: [
      ...(step.service ? [put("service", step.service)] : []),
      ...[...replaced, ...added, ...step.tasks, ...waiting.tasks].map((task) => put("task", task)),
    ],
    ...earliest(step.again, waiting.again),
    because: `service ${service.spec.name}`,
  };
}

/** A slot is filled while a task of it is wanted, or when its last one ended for good under the words that still hold. */
function isFilled(service: Service, slot: Slot): boolean {
  if (slot.wanted.length > 0) return true;
  const [last] = slot.tasks;
  if (last === undefined || last.desiredState === "remove") return false;
  return !isDirty(service, last) && !mayRestart(slot, last);
}

/** The newest words were tried in this slot and ended for good (start-first: the old task still runs there). */
function isSpent(service: Service, slot: Slot): boolean {
  const tried = slot.tasks.find((task) => !isDirty(service, task));
  return tried !== undefined && isTerminal(tried) && !mayRestart(slot, tried);
}

/**
 * A lost task's successor has the newest words anyway, so beside a live task of these, or of its own old ones, it just
 * goes. Of several lost ones the newest is followed.
 */
function replaceOne(
  view: View,
  service: Service,
  slot: Slot,
  task: Task,
  lost: ReadonlySet<Task>,
  decision: Decision,
): Task[] {
  const others = slot.wanted.filter((other) => other !== task);
  const covers = (other: Task) => isDirty(service, task) || !isDirty(service, other);
  const covered = others.some((other) => !lost.has(other) && covers(other));
  const older = others.some(
    (other) => lost.has(other) && slot.wanted.indexOf(other) < slot.wanted.indexOf(task),
  );
  if (covered || older) return [{ ...task, desiredState: "shutdown" }];
  return replaceLost(view, service, slot, task, decision);
}

function removeSlots(slots: readonly Slot[]): Task[] {
  return slots.flatMap((slot) =>
    slot.tasks
      .filter((t) => t.desiredState !== "remove")
      .map((t) => ({ ...t, desiredState: "remove" as const })),
  );
}

/** Tasks held in READY whose time has come. */
function letGo(
  view: View,
  slots: readonly Slot[],
  touched: ReadonlySet<string>,
  now: Instant,
): { tasks: Task[]; again?: Instant } {
  const tasks: Task[] = [];
  let again: Instant | undefined;
  for (const task of slots.flatMap((slot) => slot.wanted)) {
    if (task.desiredState !== "ready" || touched.has(task.id)) continue;
    const verdict = release(view, task, now);
    if (verdict.go) tasks.push({ ...task, desiredState: "running" });
    else if (verdict.again !== undefined) again = Math.min(again ?? verdict.again, verdict.again);
  }
  return { tasks, ...(again !== undefined && { again }) };
}

function planOf(service: Service, tasks: readonly Task[], why: string): Plan {
  return { changes: tasks.map((task) => put("task", task)), because: `service ${service.spec.name}: ${why}` };
}

function earliest(...instants: (Instant | undefined)[]): { again?: Instant } {
  const known = instants.filter((i) => i !== undefined);
  return known.length === 0 ? {} : { again: Math.min(...known) };
}
