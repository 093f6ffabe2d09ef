/**
 * scheduler: picks a node for each task that waits for one, or says why none fits: (view, now) -> Plan.
 * It never makes or stops a task.
 */
export { planSchedule } from "./scheduler.ts";
