/**
 * compose: stack files by the Compose Specification: texts in, a checked stack or errors with their places out; and what of a
 * stack differs from a cluster. Pure. It reads no file, asks no daemon and never decides when a step is taken.
 */

export type { StackSource } from "./load.ts";
export { folderOf } from "./path.ts";
export { type Contents, contentKey, type FileKind } from "./plan-files.ts";
export { planStack } from "./plan-stack.ts";
export { formatPosition, formatProblem, type Problem } from "./problem.ts";
export { readStack, type StackReading } from "./read-stack.ts";
export * from "./stack.ts";
export * from "./stack-plan.ts";
