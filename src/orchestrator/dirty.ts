import { equal } from "../lib/index.ts";
import type { Service, Task } from "../model/index.ts";

/**
 * True when the task runs words that the service has since changed (swarmkit orchestrator/task.go IsTaskDirty).
 * Labels, replicas and update rules of the service do not touch its tasks; the task's words and its ports do.
 */
export function isDirty(service: Service, task: Task): boolean {
  if (task.specVersion === service.specVersion) return false;
  return !equal(task.spec, service.spec.task) || !equal(task.endpoint, service.spec.endpoint);
}
