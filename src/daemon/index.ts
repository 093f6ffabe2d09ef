/**
 * daemon: shoald: settings, checks, and the wiring of all other folders. It joins parts; it decides nothing.
 */
export { runDaemon } from "./daemon.ts";
