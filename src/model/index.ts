/**
 * model: the nouns: cluster, node, service, task, guest, network, secret, config, news; their order of states, defaults and names.
 * Plain frozen values; no wire word, no clock, no machine.
 */
export * from "./cluster.ts";
export * from "./constraint.ts";
export type * from "./container.ts";
export * from "./guest.ts";
export type * from "./local.ts";
export * from "./meta.ts";
export * from "./names.ts";
export * from "./network.ts";
export * from "./network-mode.ts";
export { KEPT_NEWS, MICROS_APART, microsOf, type News, nextMicros, type SwarmEvent } from "./news.ts";
export type * from "./node.ts";
export * from "./object.ts";
export * from "./own-ports.ts";
export * from "./payload-template.ts";
export * from "./platform.ts";
export type * from "./program.ts";
export * from "./room.ts";
export type * from "./run-spec.ts";
export * from "./secret.ts";
export * from "./service.ts";
export * from "./task.ts";
export { checkTemplate, expandTemplate, type TemplateContext, templateContextOf } from "./template.ts";
export type * from "./tree.ts";
export * from "./tunnels.ts";
export type * from "./usage.ts";
export { explainWait } from "./wait.ts";
