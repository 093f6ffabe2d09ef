import type { Instant } from "../lib/index.ts";
import { type Decision, goalOf, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { isLeaving, moveOut } from "./drain.ts";
import { dismiss } from "./enforcer.ts";
import { isHeld, isLost, release, replaceLost } from "./restart.ts";
import type { Slot } from "./slots.ts";

/** Tasks to write, and when to look again. */
export interface Mending {
  readonly tasks: readonly Task[];
  readonly again?: Instant;
}

/**
 * Lost tasks told to go, with successors where the restart policy allows, and those that leave followed. `slots`: those
 * that have a task of either kind, but for lost ones that wait for their time: new words need not.
 */
export function mend(
  view: View,
  service: Service,
  slots: readonly Slot[],
  decision: Decision,
): { readonly tasks: readonly Task[]; readonly slots: ReadonlySet<Slot> } {
  const wanted = slots.flatMap((slot) => slot.wanted);
  const leaving = new Set(wanted.filter((task) => isLeaving(view, service, task)));
  const lost = new Set(wanted.filter((task) => isLost(view, task) && !leaving.has(task)));
  const due = new Set([...lost].filter((task) => !isHeld(view, task, decision.now)));
  const tasks = slots.flatMap((slot) => [
    ...slot.wanted
      .filter((task) => due.has(task))
      .flatMap((task) => replaceOne(view, service, slot, task, { lost, leaving }, decision)),
    ...moveOut(view, service, slot, leaving, decision),
  ]);
  const troubled = slots.filter((slot) => slot.wanted.some((task) => due.has(task) || leaving.has(task)));
  return { tasks, slots: new Set(troubled) };
}

/** Tasks of one service that will not run on, and those that run on until they are followed. */
interface Going {
  readonly lost: ReadonlySet<Task>;
  readonly leaving: ReadonlySet<Task>;
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
  { lost, leaving }: Going,
  decision: Decision,
): Task[] {
  const others = slot.wanted.filter((other) => other !== task);
  const covers = (other: Task) => isDirty(view, service, task) || !isDirty(view, service, other);
  const covered = others.some((other) => !lost.has(other) && !leaving.has(other) && covers(other));
  const older = others.some(
    (other) => lost.has(other) && slot.wanted.indexOf(other) < slot.wanted.indexOf(task),
  );
  if (covered || older) return [dismiss(view, task)];
  return replaceLost(view, service, task, decision);
}

/** Tasks held in READY whose time has come, but for those that are being `written` anyway. */
export function letGo(view: View, slots: readonly Slot[], written: readonly Task[], now: Instant): Mending {
  const touched = new Set(written.map((task) => task.id));
  const tasks: Task[] = [];
  let again: Instant | undefined;
  const held = slots.flatMap((slot) => slot.wanted.map((task) => ({ slot, task })));
  for (const { slot, task } of held) {
    if (task.desiredState !== "ready" || touched.has(task.id)) continue;
    const verdict = release(view, slot, task, now);
    if (verdict.go) tasks.push({ ...task, desiredState: goalOf(task) });
    else if (verdict.again !== undefined) again = Math.min(again ?? verdict.again, verdict.again);
  }
  return { tasks, ...(again !== undefined && { again }) };
}
