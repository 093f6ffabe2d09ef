import type { Task } from "../model/index.ts";

/** Tasks told to stop and leave no record. */
export function forget(tasks: readonly Task[]): Task[] {
  return tasks
    .filter((task) => task.desiredState !== "remove")
    .map((task) => ({ ...task, desiredState: "remove" }));
}
