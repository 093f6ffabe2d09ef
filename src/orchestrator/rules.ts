import { DEFAULT_UPDATE, type Service, type UpdateConfig } from "../model/index.ts";

/** The update rules in force: a rollback has its own, those of the words it goes back to (as in Swarm). */
export function rulesOf(service: Service): UpdateConfig {
  const { update, rollback } = service.spec;
  return (isRollback(service) ? rollback : update) ?? DEFAULT_UPDATE;
}

/** The update under way is one back to earlier words. */
export function isRollback({ updateStatus }: Service): boolean {
  return updateStatus?.state === "rollback_started";
}

/** A rolling update, or a rollback, is under way. */
export function isUpdating(service: Service): boolean {
  return service.updateStatus?.state === "updating" || isRollback(service);
}

/** It stands still until the user has another word. */
export function isHalted({ updateStatus }: Service): boolean {
  return updateStatus?.state === "paused" || updateStatus?.state === "rollback_paused";
}
