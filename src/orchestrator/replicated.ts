import type { Instant } from "../lib/index.ts";
import { type Decision, type Plan, put, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { isLost, mayRestart, release, replaceLost } from "./restart.ts";
import { scaleDown, scaleUp } from "./scale.ts";
import { type Slot, slotsOf } from "./slots.ts";
import { stepUpdate } from "./update.ts";

/**
 * What must change so that a replicated service has its replicas: lost tasks replaced, slots added or given up,
 * the rolling update moved on, waiting tasks let go. One pass does what can be done now.
 */
export function planReplicated(view: View, service: Service, decision: Decision): Plan {
  const slots = slotsOf(view.tasksByService(service.id));
  const filled = slots.filter((slot) => isFilled(view, service, slot));
  const surplus = filled.length - service.spec.mode.replicas;
  if (surplus > 0) return planOf(service, removeSlots(scaleDown(filled, surplus)), "too many replicas");

  const lost = filled.flatMap((slot) => slot.wanted.filter((t) => isLost(view, t)).map((t) => ({ slot, t })));
  const replaced = lost.flatMap(({ slot, t }) => restartOrUpdate(view, service, slot, t, decision));
  const taken = new Set(filled.map((slot) => slot.number));
  const added = surplus < 0 ? scaleUp(service, taken, -surplus, decision) : [];

  const healthy = filled.filter(
    (slot) => slot.wanted.length > 0 && !slot.wanted.some((t) => isLost(view, t)),
  );
  const step = stepUpdate(service, healthy, { settled: lost.length === 0 }, decision);
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
function isFilled(view: View, service: Service, slot: Slot): boolean {
  if (slot.wanted.length > 0) return true;
  const [last] = slot.tasks;
  if (last === undefined || last.desiredState === "remove") return false;
  return !isDirty(service, last) && !mayRestart(view, slot, last);
}

/** A lost task's successor has the newest words anyway; a lost dirty one beside a live clean one just goes. */
function restartOrUpdate(view: View, service: Service, slot: Slot, lost: Task, decision: Decision): Task[] {
  const other = slot.wanted.some((task) => task !== lost && !isLost(view, task));
  if (other) return [{ ...lost, desiredState: "shutdown" }];
  if (slot.wanted.some((task) => task !== lost && task.createdAt > lost.createdAt)) {
    return [{ ...lost, desiredState: "shutdown" }];
  }
  return replaceLost(view, service, slot, lost, decision);
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
