import type { Instant } from "../lib/index.ts";
import { type Decision, goalOf, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isDirty } from "./dirty.ts";
import { isHeld, isLost, release, replaceLost } from "./restart.ts";
import type { Slot } from "./slots.ts";

/** Tasks to write, and when to look again. */
export interface Mending {
  readonly tasks: readonly Task[];
  readonly again?: Instant;
}

/** Lost tasks told to go, with successors where the restart policy allows; `slots`: those that have a lost task. */
export function mend(
  view: View,
  service: Service,
  slots: readonly Slot[],
  decision: Decision,
): { readonly tasks: readonly Task[]; readonly slots: ReadonlySet<Slot> } {
  const lost = new Set(slots.flatMap((slot) => slot.wanted).filter((task) => isLost(view, task)));
  const tasks = slots.flatMap((slot) =>
    slot.wanted
      .filter((task) => lost.has(task) && !isHeld(view, task, decision.now))
      .flatMap((task) => replaceOne(view, service, slot, task, lost, decision)),
  );
  return { tasks, slots: new Set(slots.filter((slot) => slot.wanted.some((task) => lost.has(task)))) };
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

/** Tasks held in READY whose time has come, but for those that are being `written` anyway. */
export function letGo(view: View, slots: readonly Slot[], written: readonly Task[], now: Instant): Mending {
  const touched = new Set(written.map((task) => task.id));
  const tasks: Task[] = [];
  let again: Instant | undefined;
  for (const task of slots.flatMap((slot) => slot.wanted)) {
    if (task.desiredState !== "ready" || touched.has(task.id)) continue;
    const verdict = release(view, task, now);
    if (verdict.go) tasks.push({ ...task, desiredState: goalOf(task) });
    else if (verdict.again !== undefined) again = Math.min(again ?? verdict.again, verdict.again);
  }
  return { tasks, ...(again !== undefined && { again }) };
}
