import { equal, type Instant } from "../lib/index.ts";
import type { GenericResource } from "./container.ts";
import type { Meta } from "./meta.ts";
import {
  type EndpointSpec,
  isGlobal,
  isJob,
  type PortSpec,
  type Service,
  type ServiceMode,
  type TaskSpec,
} from "./service.ts";

/** Swarm's task states in their order (swarmkit api/types.proto). A task's state only moves forward. */
export const TASK_STATES = [
  "new",
  "pending",
  "assigned",
  "accepted",
  "preparing",
  "ready",
  "starting",
  "running",
  "complete",
  "shutdown",
  "failed",
  "rejected",
  "remove",
  "orphaned",
] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** How far the manager wants a task to go; only moves forward too. COMPLETE is a job's RUNNING. */
export type DesiredState = "ready" | "running" | "complete" | "shutdown" | "remove";

/** One run of a service on one node. Only status, desired state, node and what was handed out ever change. */
export interface Task extends Meta {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly serviceLabels: Readonly<Record<string, string>>;
  readonly mode: ServiceMode["kind"];
  /** 0: a global service's, which has a node in its place (and a job's first). */
  readonly slot: number;
  readonly spec: TaskSpec;
  /** The service's specVersion that `spec` came from. */
  readonly specVersion: number;
  /** The service's endpoint words at birth: a change of ports makes a new task. */
  readonly endpoint: EndpointSpec;
  readonly nodeId?: string;
  readonly desiredState: DesiredState;
  /** Not to run before this instant (restart delay); READY until then. */
  readonly notBefore?: Instant;
  /** The task whose stop must be seen before this one may run (stop-first, restart). */
  readonly after?: string;
  readonly status: TaskStatus;
  /** When a manager first heard that it runs, and that it ended, by the managers' clock: an agent's may differ. */
  readonly ranAt?: Instant;
  readonly endedAt?: Instant;
  readonly attachments: readonly Attachment[];
  /** What the scheduler took from its node for the reservation. */
  readonly generic?: readonly GenericResource[];
  /** Of the job it belongs to. */
  readonly jobIteration?: number;
  /** Failures in a row before this task, none of which ran long: the restart delay grows with them. */
  readonly crashes?: number;
  /** When its place was restarted with these words, this task's own birth the last: as many as its policy can count. */
  readonly restarts?: readonly Instant[];
  /** Made by a rolling update in the place of this task: the update watches what becomes of it. */
  readonly replaces?: string;
}

export interface TaskStatus {
  readonly at: Instant;
  readonly state: TaskState;
  readonly message: string;
  /** Why it failed, or why it waits. */
  readonly error?: string;
  readonly container?: { readonly id: string; readonly pid: number; readonly exitCode?: number };
  /** Host-mode ports as bound. */
  readonly ports?: readonly PortSpec[];
}

/** A task's place on a network. */
export interface Attachment {
  readonly networkId: string;
  /** Without prefix: "10.0.1.5". */
  readonly address: string;
  /** On a network with IPv6: "fd00:1::5". */
  readonly address6?: string;
}

export function stateRank(state: TaskState): number {
  return TASK_STATES.indexOf(state);
}

/** True from COMPLETE on: it does not and will not run. */
export function isTerminal(task: Pick<Task, "status">): boolean {
  return stateRank(task.status.state) >= stateRank("complete");
}

/** True while the manager wants it to run. */
export function isWanted(task: Pick<Task, "desiredState">): boolean {
  return task.desiredState === "complete" || stateRank(task.desiredState) <= stateRank("running");
}

/** True while it takes traffic. One that runs and has an error has been given up by its node, and is about to be stopped. */
export function isServing(task: Pick<Task, "desiredState" | "status">): boolean {
  return task.status.state === "running" && task.status.error === undefined && isWanted(task);
}

/**
 * The task once a manager heard this report of its node at `now`; undefined when it says nothing new. An end is final:
 * a restarted agent that finds an old container must not rewrite history.
 */
export function withReport(task: Task, report: TaskStatus, now: Instant): Task | undefined {
  const status = withReason(task, report);
  const back = stateRank(status.state) < stateRank(task.status.state);
  // An agent that was started again says when it found the task so; since when it is so, managers know.
  const isKnown = equal({ ...status, at: task.status.at }, task.status);
  if (back || isTerminal(task) || isKnown) return undefined;
  const next: Task = { ...task, status };
  return {
    ...next,
    ...(status.state === "running" && { ranAt: task.ranAt ?? now }),
    ...(isTerminal(next) && { endedAt: task.endedAt ?? now }),
  };
}

/** Why a manager told the task to stop is still so once it has stopped. */
function withReason(task: Task, report: TaskStatus): TaskStatus {
  const { error } = task.status;
  if (isWanted(task) || error === undefined || report.error !== undefined) return report;
  return { ...report, error };
}

/** Swarm's container name: "vote.1.<task id>"; a global service's task has its node in the slot's place. */
export function taskName(task: Pick<Task, "serviceName" | "mode" | "slot" | "id" | "nodeId">): string {
  const place = isGlobal(task.mode) ? task.nodeId : task.slot;
  return `${task.serviceName}.${place}.${task.id}`;
}

/** The desired state of a task that is let go: jobs run until they complete. */
export function goalOf({ mode }: Pick<Task, "mode">): "running" | "complete" {
  return isJob(mode) ? "complete" : "running";
}

/** A fresh task for a slot of a service. */
export function newTask(id: string, service: Service, slot: number, now: Instant): Task {
  const { mode } = service.spec;
  return {
    id,
    version: 0,
    createdAt: now,
    updatedAt: now,
    serviceId: service.id,
    serviceName: service.spec.name,
    serviceLabels: service.spec.labels,
    mode: mode.kind,
    slot,
    ...(isJob(mode.kind) && { jobIteration: service.job?.iteration ?? 0 }),
    spec: service.spec.task,
    specVersion: service.specVersion,
    endpoint: service.spec.endpoint,
    desiredState: goalOf({ mode: mode.kind }),
    status: { at: now, state: "new", message: "created" },
    attachments: [],
  };
}
