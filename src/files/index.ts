/**
 * files: the files of one container, told of, packed and unpacked, by a program of its own that holds them by descriptor. It never
 * resolves a container's path by itself, never runs a program of a container's, and knows no containerd.
 */
export type { FileChange } from "./changes.ts";
export { Copy, type CopyParts } from "./copies.ts";
export type { Order, WriteWords } from "./order.ts";
export type { PathStat } from "./path-stat.ts";
export type { RootPlace } from "./root-place.ts";
