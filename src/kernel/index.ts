/**
 * kernel: makes a NodeNetwork true in this machine's kernel, over rtnetlink, libnftables and /proc/sys, in every namespace
 * of ours. It decides nothing about the network and never touches what does not bear our mark.
 */
export { hasIpvs } from "./ipvs.ts";
export type { ApplyFailure, Kernel, ObservedNetwork } from "./kernel.ts";
export { forbidCore } from "./no-core.ts";
export { ThreadKernel } from "./thread-kernel.ts";
