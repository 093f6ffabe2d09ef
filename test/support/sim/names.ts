import { isGlobal, type Task } from "../../../src/model/index.ts";

/** Short names for tasks: "web.1", its successor "web.1'", "web.1''", then "web.1#4"; a global service's "agent@n2". */
export class TaskNames {
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  of(task: Task): string {
    const known = this.#names.get(task.id);
    if (known !== undefined) return known;
    const place = isGlobal(task.mode)
      ? `${task.serviceName}@${task.nodeId ?? "?"}`
      : `${task.serviceName}.${task.slot}`;
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    const name = count <= 3 ? place + "'".repeat(count - 1) : `${place}#${count}`;
    this.#names.set(task.id, name);
    return name;
  }

  /** Text with task ids put as names. */
  in(text: string): string {
    return text.replaceAll(/\b[0-9a-z]{25}\b/g, (id) => this.#names.get(id) ?? id);
  }
}
