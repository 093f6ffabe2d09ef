/**
 * manager: what a manager node does: control for users, certificates and dispatch for agents, the leader's loops over
 * the deciders. It never touches a container or a kernel, and keeps no truth outside the store.
 */
export { AssignmentFeed } from "./assignment-feed.ts";
export { joinTokens } from "./certificates.ts";
export { Manager } from "./manager.ts";
export { planCluster, planScope } from "./planner.ts";
export { Worklist } from "./worklist.ts";
