/**
 * manager: what a manager node does: control for users, certificates and dispatch for agents, the leader's loops over
 * the deciders. It never touches a container or a kernel, and keeps no truth outside the store.
 */
export { AssignmentFeed } from "./assignment-feed.ts";
export { joinTokens } from "./certificates.ts";
export type { ClusterChoice } from "./control/index.ts";
export type { LogOptions, LogSelector, ServiceLogLine } from "./log-subscription.ts";
export { Manager, type ManagerParts } from "./manager.ts";
export { planCluster } from "./planner.ts";
