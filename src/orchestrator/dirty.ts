import { equal } from "../lib/index.ts";
import { isWanted, meetsAll, type Service, stateRank, type Task, type TaskSpec } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { nodeOf } from "./slots.ts";

/**
 * True when the task runs words that the service has since changed (swarmkit orchestrator/task.go IsTaskDirty).
 * Labels, replicas and update rules of the service do not touch its tasks; the task's words and its ports do. New words
 * on placement alone do not touch a task whose node satisfies them.
 */
export function isDirty(view: View, service: Service, task: Task): boolean {
  if (task.specVersion === service.specVersion) return false;
  if (!equal(task.endpoint, service.spec.endpoint)) return true;
  const words = hasPulled(task) ? withoutAuth : (spec: TaskSpec) => spec;
  const [had, has] = [words(task.spec), words(service.spec.task)];
  if (equal(had, has)) return false;
  return !isWellPlaced(view, service, task) || !equal(withoutPlacement(had), withoutPlacement(has));
}

function isWellPlaced(view: View, service: Service, task: Task): boolean {
  const node = nodeOf(view, task);
  return node !== undefined && meetsAll(service.spec.task.placement.constraints, node);
}

/** New registry credentials mean nothing to a task that has its image. */
function hasPulled(task: Task): boolean {
  const rank = stateRank(task.status.state);
  return isWanted(task) && rank >= stateRank("ready") && rank <= stateRank("running");
}

function withoutAuth({ container, ...rest }: TaskSpec): TaskSpec {
  const { registryAuth: _, ...words } = container;
  return { ...rest, container: words };
}

function withoutPlacement({ placement: _, ...words }: TaskSpec): unknown {
  return words;
}
