/**
 * wire: Docker's JSON to model's nouns and back, one file per noun; times, filters and durations in Docker's words.
 * Pure. It decides nothing about the cluster and knows no HTTP.
 */
export {
  bridgeSpecFromWire,
  connectionFromWire,
  isBridgeWanted,
  localNetworkToWire,
} from "./bridge.ts";
export * from "./cluster.ts";
export * from "./container.ts";
export { exposedPorts } from "./container-config.ts";
export { diskUsageToWire } from "./disk-usage.ts";
export * from "./event.ts";
export * from "./filters.ts";
export * from "./glob.ts";
export * from "./human-duration.ts";
export * from "./image.ts";
export { readLogin } from "./login.ts";
export { networkSpecFromWire, networkToWire, wantedDriver } from "./network.ts";
export * from "./network-details.ts";
export * from "./node.ts";
export { programStartFromWire, programToWire, programWordsFromWire } from "./program.ts";
export { pruneTest } from "./prune.ts";
export * from "./pull.ts";
export { graceOf, runSpecFromWire } from "./run-spec.ts";
export { runChangeFromWire } from "./run-update.ts";
export * from "./secret.ts";
export * from "./service.ts";
export { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";
export * from "./system.ts";
export * from "./task.ts";
export * from "./time.ts";
export { tlsInfoToWire } from "./tls-info.ts";
export { fileChangesToWire, pathStatHeader } from "./tree.ts";
export { containerStats } from "./usage.ts";
export * from "./volume.ts";
