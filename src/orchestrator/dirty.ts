import { equal } from "../lib/index.ts";
import { isWanted, type Service, stateRank, type Task, type TaskSpec } from "../model/index.ts";

/**
 * True when the task runs words that the service has since changed (swarmkit orchestrator/task.go IsTaskDirty).
 * Labels, replicas and update rules of the service do not touch its tasks; the task's words and its ports do.
 */
export function isDirty(service: Service, task: Task): boolean {
  if (task.specVersion === service.specVersion) return false;
  const words = hasPulled(task) ? withoutAuth : (spec: TaskSpec) => spec;
  return !equal(words(task.spec), words(service.spec.task)) || !equal(task.endpoint, service.spec.endpoint);
}

/** New registry credentials mean nothing to a task that has its image. */
function hasPulled(task: Task): boolean {
  const rank = stateRank(task.status.state);
  return isWanted(task) && rank >= stateRank("ready") && rank <= stateRank("running");
}

function withoutAuth({ container, ...rest }: TaskSpec): unknown {
  const { registryAuth: _, ...words } = container;
  return { ...rest, container: words };
}
