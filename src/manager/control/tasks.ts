import type { Task } from "../../model/index.ts";
import { isDirty } from "../../orchestrator/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";

/** Tasks as the user looks at them; only deciders and agents change them. */
export class TaskControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Task[] {
    return [...this.#parts.store.view.all("task")];
  }

  get(ref: string): Task {
    return requireByRef(this.#parts.store.view, "task", ref);
  }

  /** Whether the task runs the words that its service has now. */
  isUpToDate(task: Task): boolean {
    const { view } = this.#parts.store;
    const service = view.get("service", task.serviceId);
    return service !== undefined && !isDirty(view, service, task);
  }
}
