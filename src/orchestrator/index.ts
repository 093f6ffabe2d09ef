/**
 * orchestrator: which tasks must exist, given services and what became of their tasks: (view, now) -> Plan.
 * It never picks a node or an address, and never acts.
 */
export { isDirty } from "./dirty.ts";
export { reapService } from "./reaper.ts";
export { planService } from "./service.ts";
