/**
 * agent: the part of every node that runs what managers assign: task state machines, the node's network.
 * It decides nothing about the cluster and keeps working when no manager answers.
 */
export { Agent, type Welcome } from "./agent.ts";
export { AssignmentsFile } from "./assignments-file.ts";
export { describeNode } from "./description.ts";
export { leaveNode } from "./leave.ts";
export type { PortName, Readiness } from "./readiness.ts";
export type { VisitDoor } from "./visit-desk.ts";
