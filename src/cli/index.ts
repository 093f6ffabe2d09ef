/**
 * cli: the `shoal` command: reads words, calls lab, prints. It holds no logic of the swarm.
 */
export { type LabCommand, labCommands } from "./lab-commands.ts";
export { STACK_USAGE, stackCommand } from "./stack.ts";
export { TRACE_USAGE, traceCommand } from "./trace.ts";
export { splitName } from "./words.ts";
