import { Fault } from "../lib/index.ts";
import type { Manager } from "../manager/index.ts";
import { type ProcessList, type Task, taskName } from "../model/index.ts";
import type { ContainerState, Containers } from "../runtime/index.ts";

export const TASK_ID_LABEL = "com.docker.swarm.task.id";

/** What a manager knows of tasks, and how it reaches their containers. */
export interface ManagedTasks {
  readonly tasks: Pick<Manager["tasks"], "list">;
  readonly visits: Pick<Manager["visits"], "look" | "processes" | "run">;
}

/** A task's container that is not on this node, or not yet anywhere. */
export interface Elsewhere {
  readonly kind: "elsewhere";
  readonly task: Task;
}

/** Where a container is that a user named; `task` when it was named by the task's words on a manager. */
export type ContainerPlace =
  | { readonly kind: "here"; readonly state: ContainerState; readonly task?: Task }
  | Elsewhere;

/** The containers that a user of this node can name: its own, and on a manager those of the cluster's tasks. */
export class ContainerPlaces {
  readonly #containers: Pick<Containers, "list">;
  readonly #managed: () => ManagedTasks | undefined;

  /** `managed` is undefined while this node is no manager. */
  constructor(containers: Pick<Containers, "list">, managed: () => ManagedTasks | undefined) {
    this.#containers = containers;
    this.#managed = managed;
  }

  /**
   * As `requireContainer` among this node's; then by the id or name of a task, or the id of its container. Faults: "not-found"
   * `No such container: X`, "invalid" for an ambiguous word.
   */
  async locate(ref: string): Promise<ContainerPlace> {
    const all = await this.#containers.list();
    try {
      return { kind: "here", state: requireContainer(all, ref) };
    } catch (error) {
      const place = Fault.is(error, "not-found") ? this.#placeOfTask(all, ref) : undefined;
      if (place === undefined) throw error;
      return place;
    }
  }

  /** The task of a container that is not here. */
  taskOf(containerId: string): Task | undefined {
    return this.#managed()
      ?.tasks.list()
      .find((task) => task.status.container?.id === containerId);
  }

  /** What `docker inspect` shows of it, by its node's word. */
  async inspect({ task }: Elsewhere, signal: AbortSignal): Promise<object> {
    const { json } = await this.visits().look(task.id, signal);
    const shown: unknown = JSON.parse(json);
    if (typeof shown === "object" && shown !== null) return shown;
    throw new Fault(
      "internal",
      `cannot inspect the container of ${taskName(task)}: its node does not say how it is`,
    );
  }

  processes({ task }: Elsewhere, args: string, signal: AbortSignal): Promise<ProcessList> {
    return this.visits().processes(task.id, args, signal);
  }

  /** Fault "unavailable" when this node has stopped to be a manager meanwhile. */
  visits(): ManagedTasks["visits"] {
    const managed = this.#managed();
    if (managed === undefined) throw new Fault("unavailable", "This node is not a swarm manager.");
    return managed.visits;
  }

  #placeOfTask(all: readonly ContainerState[], ref: string): ContainerPlace | undefined {
    const managed = this.#managed();
    const stateOf = (taskId: string) => all.find(({ labels }) => labels[TASK_ID_LABEL] === taskId);
    if (managed !== undefined) {
      const task = findTask(managed.tasks.list(), ref);
      if (task === undefined) return undefined;
      const state = stateOf(task.id);
      return state === undefined ? { kind: "elsewhere", task } : { kind: "here", state, task };
    }
    const ids = all.flatMap(({ labels }) => labels[TASK_ID_LABEL] ?? []);
    const id = theOne(
      ref,
      ids.filter((taskId) => isMeant(taskId, ref)),
    );
    const state = id === undefined ? undefined : stateOf(id);
    return state && { kind: "here", state };
  }
}

/** Shorter beginnings of a task's id are not taken for it: `docker inspect web` means a service. */
const LEAST = 4;

const isMeant = (id: string, ref: string) => id === ref || (ref.length >= LEAST && id.startsWith(ref));

/** By a task's id or name, its container's id, or a unique beginning of one of the ids. Fault "invalid" for several. */
export function findTask(tasks: readonly Task[], ref: string): Task | undefined {
  const containerOf = ({ status }: Task) => status.container?.id ?? "";
  const exact = tasks.find((task) => task.id === ref || taskName(task) === ref || containerOf(task) === ref);
  if (exact !== undefined || ref === "") return exact;
  return theOne(
    ref,
    tasks.filter((task) => isMeant(task.id, ref) || isMeant(containerOf(task), ref)),
  );
}

function theOne<T>(ref: string, [found, second]: readonly T[]): T | undefined {
  if (second === undefined) return found;
  throw new Fault("invalid", `multiple IDs found with provided prefix: ${ref}`);
}

/** The id of the container at a place. Fault "conflict" for a task that has none. */
export function idAt(place: ContainerPlace): string {
  if (place.kind === "here") return place.state.id;
  const { task } = place;
  const id = task.status.container?.id ?? "";
  if (id !== "") return id;
  throw new Fault("conflict", `task ${taskName(task)} is not running: it is ${task.status.state}`);
}

/** By name, id, or unique beginning of an id, in Docker's order and words (moby daemon/container.go GetContainer). */
export function requireContainer(all: readonly ContainerState[], ref: string): ContainerState {
  const name = ref.replace(/^\//, "");
  const exact = all.find((c) => c.id === ref) ?? all.find((c) => c.name === name);
  if (exact !== undefined) return exact;
  const [found, second] = ref === "" ? [] : all.filter((c) => c.id.startsWith(ref));
  if (found === undefined) throw new Fault("not-found", `No such container: ${ref}`);
  if (second !== undefined) {
    throw new Fault("invalid", `multiple IDs found with provided prefix: ${ref}`);
  }
  return found;
}
