import { isGlobal, isWanted, type Node, type Service, type Task } from "../../../../src/model/index.ts";
import type { ContainerEvent } from "../../../../src/runtime/index.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";

const TASK_LABEL = "com.docker.swarm.task.id";
/** A successor waits no longer for one that does not say that it has stopped (orchestrator/restart.ts). */
const OLD_TASK_TIMEOUT_MS = 60_000;
/** For so long after a clock was set, instants that managers wrote say little. */
const CLOCK_MS = 600_000;

interface Run {
  readonly task: Task;
  readonly host: string;
}

/**
 * No two processes in one slot: but while a lost host may still run one, with start-first, or when the older one has not said for
 * a minute that it has stopped.
 */
export function slotsAreSingle(world: SimCluster): Watcher {
  const running = new Map<string, Map<string, Run>>();
  /** By node: until when it was seen other than ready. */
  const away = new Map<string, number>();
  /** By task: when it was made, by the world's clock: `createdAt` is by a manager's, which may be ahead. */
  const made = new Map<string, number>();
  const madeAt = ({ task }: Run) => made.get(task.id) ?? task.createdAt;
  const wasAway = (id: string, since: number) => {
    const node = world.view.get("node", id);
    return node?.status.state !== "ready" || (away.get(id) ?? 0) >= since;
  };
  const isExcused = (older: Run, newer: Run): boolean => {
    const service = world.view.get("service", newer.task.serviceId);
    const old = world.view.get("task", older.task.id);
    if (service === undefined || isStartFirst(service)) return true;
    if (wasAway(older.host, madeAt(newer) - 1_000) || wasAway(newer.host, madeAt(newer))) return true;
    if (world.clock.now() < world.clocksSetAt + CLOCK_MS) return true;
    const isLate = world.clock.now() >= newer.task.createdAt + OLD_TASK_TIMEOUT_MS - 1_000;
    return isLate && (old === undefined || !isWanted(old));
  };
  const started = (host: string, id: string, task: Task): void => {
    const key = slotOf(task);
    const slot = running.get(key) ?? new Map<string, Run>();
    running.set(key, slot);
    const run = { task, host };
    for (const other of slot.values()) {
      const [older, newer] = other.task.createdAt <= task.createdAt ? [other, run] : [run, other];
      if (isExcused(older, newer)) continue;
      world.breaks(
        `two run in slot ${key}: on ${older.host} beside ${newer.host} (${stateOf(world, older)} and ${stateOf(world, newer)})`,
      );
    }
    slot.set(id, run);
  };
  return {
    onChanges(changes) {
      for (const { kind, before, after } of changes) {
        if (kind === "task" && before === undefined && after !== undefined)
          made.set((after as Task).id, world.clock.now());
        if (kind === "task" && after === undefined && before !== undefined) made.delete((before as Task).id);
        if (kind !== "node") continue;
        const [was, is] = [before as Node | undefined, after as Node | undefined];
        if (was !== undefined && was.status.state !== "ready") away.set(was.id, world.clock.now());
        if (is !== undefined && is.status.state !== "ready") away.set(is.id, world.clock.now());
      }
    },
    onContainer(host, event) {
      const task = taskOf(world, event);
      if (event.action === "start" && task !== undefined) started(host.name, event.container.id, task);
      if (event.action !== "die" && event.action !== "destroy") return;
      for (const slot of running.values()) slot.delete(event.container.id);
    },
  };
}

/** The task that a container is of; undefined when its record is gone. */
export function taskOf(world: SimCluster, { container }: ContainerEvent): Task | undefined {
  return world.view.get("task", container.labels[TASK_LABEL] ?? "");
}

/** Where a task belongs: "web.1", "agent@n2"; a job's runs are apart. */
export function slotOf({ mode, serviceName, slot, nodeId, jobIteration, serviceId }: Task): string {
  const place = isGlobal(mode) ? `${serviceName}@${nodeId}` : `${serviceName}.${slot}`;
  return `${place}${jobIteration ? ` of run ${jobIteration}` : ""} (${serviceId.slice(0, 6)})`;
}

function isStartFirst({ spec, previousSpec }: Service): boolean {
  const all = [spec.update, spec.rollback, previousSpec?.update, previousSpec?.rollback];
  return all.some((rules) => rules?.order === "start-first");
}

function stateOf(world: SimCluster, { task }: Run): string {
  const now = world.view.get("task", task.id);
  return now === undefined ? "forgotten" : `${now.status.state} and to be ${now.desiredState}`;
}
