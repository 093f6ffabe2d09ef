import type { Condition, Json } from "../compose/index.ts";

/** How far a service has come, from what the API says of it and of its tasks that run its newest words. */
export interface ServiceState {
  readonly name: string;
  /** How many tasks shall be ready; undefined while nobody has counted. */
  readonly wanted: number | undefined;
  readonly started: number;
  /** Running, and healthy if they have a health check; or done, where that is their end. */
  readonly ready: number;
  readonly completed: number;
  readonly isJob: boolean;
  /** Why it will not come right by itself. */
  readonly failed: string | undefined;
  /** What its newest task says of itself. */
  readonly reason: string | undefined;
}

export interface TaskJson {
  readonly ID: string;
  readonly ServiceID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly CreatedAt: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string; readonly Err?: string; readonly Message?: string };
}

export interface ServiceJson {
  readonly ID: string;
  readonly Spec: Json;
  readonly UpdateStatus?: { readonly State?: string; readonly Message?: string };
  readonly ServiceStatus?: { readonly DesiredTasks?: number; readonly CompletedTasks?: number };
}

/** So often may a place's tasks fail before a deployment is given up. */
const MOST_FAILURES = 3;
const FAILED = new Set(["failed", "rejected"]);
const STARTED = new Set(["starting", "running", "complete"]);

interface Mode {
  readonly Replicated?: { readonly Replicas?: number };
  readonly ReplicatedJob?: { readonly TotalCompletions?: number; readonly MaxConcurrent?: number };
  readonly Global?: object;
  readonly GlobalJob?: object;
}

/** `tasks` are those of the newest words; `old` are ids of tasks that were there before the deployment. */
export function stateOf(
  service: ServiceJson,
  tasks: readonly TaskJson[],
  old: ReadonlySet<string>,
): ServiceState {
  const mode = (service.Spec["Mode"] ?? {}) as Mode;
  const isJob = mode.ReplicatedJob !== undefined || mode.GlobalJob !== undefined;
  const mine = tasks.filter((task) => task.ServiceID === service.ID);
  const newest = [...byPlace(mine).values()].map((all) => all.at(-1)).filter((task) => task !== undefined);
  const done = (task: TaskJson) => task.Status.State === "complete" && (isJob || endsWell(service));
  const count = (test: (task: TaskJson) => boolean) => newest.filter(test).length;
  return {
    name: String(service.Spec["Name"]),
    wanted: wantedOf(mode, service),
    started: count(({ Status }) => STARTED.has(Status.State)),
    ready: count((task) => task.Status.State === "running" || done(task)),
    completed: isJob
      ? (service.ServiceStatus?.CompletedTasks ?? 0)
      : count(({ Status }) => Status.State === "complete"),
    isJob,
    failed: failureOf(service, mine, old),
    reason: reasonOf(mine),
  };
}

/** True when nothing is left to wait for. */
export function isSettled({ wanted, ready, completed, isJob }: ServiceState): boolean {
  return wanted !== undefined && (isJob ? completed : ready) >= wanted;
}

export function meets(state: ServiceState, condition: Condition): boolean {
  const { wanted, started, completed } = state;
  if (wanted === undefined) return false;
  if (condition === "service_started") return started >= wanted;
  if (condition === "service_healthy") return isSettled(state);
  return completed >= wanted;
}

function wantedOf({ Replicated, ReplicatedJob }: Mode, { ServiceStatus }: ServiceJson): number | undefined {
  if (Replicated !== undefined) return Replicated.Replicas ?? 1;
  if (ReplicatedJob !== undefined) return ReplicatedJob.TotalCompletions ?? ReplicatedJob.MaxConcurrent ?? 1;
  const { DesiredTasks: count = 0, CompletedTasks: completed = 0 } = ServiceStatus ?? {};
  return count + completed === 0 ? undefined : count;
}

/** True of a service whose tasks may end: nobody starts them again. */
function endsWell({ Spec }: ServiceJson): boolean {
  const { RestartPolicy: policy } = (Spec["TaskTemplate"] ?? {}) as {
    RestartPolicy?: { Condition?: string };
  };
  return policy?.Condition === "none" || policy?.Condition === "on-failure";
}

function byPlace(tasks: readonly TaskJson[]): Map<string, TaskJson[]> {
  const places = new Map<string, TaskJson[]>();
  for (const task of tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1))) {
    const place = String(task.Slot || task.NodeID || "");
    places.set(place, [...(places.get(place) ?? []), task]);
  }
  return places;
}

function failureOf(
  service: ServiceJson,
  tasks: readonly TaskJson[],
  old: ReadonlySet<string>,
): string | undefined {
  const { State: state = "", Message: message = "" } = service.UpdateStatus ?? {};
  if (/^(paused|rollback_paused|rollback_started|rollback_completed)$/.test(state))
    return `its update is ${state.replace("_", " ")}: ${message}`;
  const fresh = tasks.filter(({ ID }) => !old.has(ID));
  for (const all of byPlace(fresh).values()) {
    const failures = all.filter(({ Status }) => FAILED.has(Status.State));
    if (failures.length >= MOST_FAILURES)
      return `${failures.length} tasks failed: ${reasonOf(failures) ?? ""}`;
  }
  return undefined;
}

function reasonOf(tasks: readonly TaskJson[]): string | undefined {
  const said = tasks
    .toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1))
    .find(({ Status }) => (Status.Err ?? "") !== "");
  if (said !== undefined) return said.Status.Err;
  const [waiting] = tasks.filter(({ Status }) => !STARTED.has(Status.State));
  return waiting === undefined ? undefined : `${waiting.Status.State}: ${waiting.Status.Message ?? ""}`;
}
