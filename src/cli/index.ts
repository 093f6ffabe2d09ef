/**
 * cli: the `shoal` command: reads words, calls lab, prints. It holds no logic of the swarm.
 */
export { labCommands } from "./lab-commands.ts";
