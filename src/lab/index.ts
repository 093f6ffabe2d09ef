/**
 * lab: a cluster on one machine: hosts that are network namespaces on a switch, each with a containerd and a shoald
 * of its own, and a client outside the swarm. For the demo, the tests and people. It never looks inside a shoald.
 */
export {
  type HostParts,
  killDaemon,
  killHost,
  signalHost,
  startHost,
  stopDaemon,
  unmountUnder,
} from "./host.ts";
export { preparedImages } from "./images.ts";
export { docker, dockerEnv, labDown, labSwarm, labUp, onHost } from "./lab.ts";
export { cut, heal, requirePlugged } from "./links.ts";
export { hostPaths } from "./paths.ts";
export { startDetached } from "./processes.ts";
export {
  addressOf,
  allLabs,
  CLIENT,
  type LabRecord,
  newLab,
  REGISTRY,
  REGISTRY_PORT,
  readLab,
} from "./record.ts";
