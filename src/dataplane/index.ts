/**
 * dataplane: what one node's network must be: (NetworkFacts) -> NodeNetwork. It knows VNI, VIP, ingress and mesh,
 * and no kernel call.
 */
export type * from "./facts.ts";
