/**
 * engine: containers that people make by hand on this node (`docker run`): their words, names, places on networks, restarts. It knows no
 * service and no task, and decides nothing about the cluster.
 */
export { hostOf, runtimeConfigOf } from "./container-config.ts";
export { Engine } from "./engine.ts";
export type * from "./networks.ts";
export { type ProgramHomes, Programs } from "./programs.ts";
export { RunFolder } from "./run-folder.ts";
