import type { Clock, Log, Random } from "../lib/index.ts";
import type { TaskStatus } from "../model/index.ts";
import type { ContainerState, Containers, Images } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { TASK_ID_LABEL } from "./container-config.ts";
import type { PrepareParts, Sandboxes } from "./prepare.ts";
import type { TaskSandboxes } from "./sandbox.ts";
import { TaskRunner } from "./task-runner.ts";

export interface WorkerParts {
  readonly containers: Containers;
  readonly images: Images;
  readonly sandboxes: Sandboxes & Pick<TaskSandboxes, "adopt">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly contentsOf: PrepareParts["contentsOf"];
  report(taskId: string, status: TaskStatus): void;
}

/** Runs what is assigned to this node: one runner a task, made, told and removed as the assignments change. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #runners = new Map<string, TaskRunner>();
  #found = new Map<string, ContainerState>();

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  /** At start: finds the containers of earlier runs, so that their tasks go on instead of starting anew. */
  async find(): Promise<void> {
    const all = await this.#parts.containers.list({ "com.docker.swarm.task": "" });
    this.#found = new Map(
      all.flatMap((c) => (c.labels[TASK_ID_LABEL] ? [[c.labels[TASK_ID_LABEL], c] as const] : [])),
    );
  }

  /** The whole set of tasks; runners follow. Sandboxes that found containers live in are told to the network at once. */
  assign(tasks: readonly AssignedTask[]): void {
    const wanted = new Set(tasks.map((task) => task.id));
    const fresh = tasks.filter((task) => !this.#runners.has(task.id));
    this.#parts.sandboxes.adopt(fresh, this.#found);
    for (const task of tasks) this.#runners.get(task.id)?.update(task);
    for (const task of fresh) this.#start(task);
    for (const [id, runner] of this.#runners) if (!wanted.has(id)) runner.remove();
  }

  /** No node sends these tasks new connections any more. */
  drained(taskIds: readonly string[]): void {
    for (const id of taskIds) this.#runners.get(id)?.drained();
  }

  /** Removes containers that no assignment speaks of any more. Only after a manager has sent the whole set. */
  async sweep(): Promise<void> {
    for (const [taskId, container] of this.#found) {
      if (!this.#runners.has(taskId)) await this.#parts.containers.remove(container.id);
    }
    this.#found.clear();
  }

  /** What every task last reported: sent again to a new manager. */
  statuses(): { taskId: string; status: TaskStatus }[] {
    return [...this.#runners].map(([taskId, runner]) => ({ taskId, status: runner.status }));
  }

  containerOf(taskId: string): string | undefined {
    return this.#runners.get(taskId)?.containerId;
  }

  /** Lets go of all tasks; their containers run on. */
  abandon(): void {
    for (const runner of this.#runners.values()) runner.abandon();
    this.#runners.clear();
  }

  #start(task: AssignedTask): void {
    const runner = new TaskRunner(this.#parts, task, this.#found.get(task.id));
    this.#found.delete(task.id);
    this.#runners.set(task.id, runner);
    void runner.finished.finally(() => {
      if (this.#runners.get(task.id) === runner) this.#runners.delete(task.id);
    });
  }
}
