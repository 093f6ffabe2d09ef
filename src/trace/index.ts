/**
 * trace: says how a connection goes through one node, hop by hop, and where it would be dropped, from what the kernel holds. Pure: it
 * reads nothing, sends nothing and changes nothing; what a rule says, it says because the kernel has that rule.
 */
export { explain, type Trace, type TraceQuestion } from "./explain.ts";
export type { KernelState } from "./packet.ts";
export { printTrace } from "./print.ts";
