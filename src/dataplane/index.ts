/**
 * dataplane: what one node's network must be: (NetworkFacts) -> NodeNetwork. It knows VNI, VIP, ingress and mesh,
 * and no kernel call.
 */
export { gatewayLayout, macOf } from "./addresses.ts";
export { LEAST_MTU6, OWN_BLOCK6, RESERVED_BLOCKS, sideOf } from "./addresses6.ts";
export type * from "./balancer.ts";
export { BALANCERS } from "./balancers.ts";
export { encryptedMtu } from "./encryption.ts";
export type * from "./facts.ts";
export { netnsNameOf } from "./names.ts";
export { type PlanSettings, planNetwork } from "./plan-network.ts";
