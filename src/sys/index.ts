/**
 * sys: lib's doors made real on this machine: clock, randomness, log lines, child processes.
 * It knows no word of the field and is the only folder that may say Date or setTimeout.
 */
export { systemClock } from "./clock.ts";
export { type ExecResult, exec, execOk } from "./exec.ts";
export { LOG_LEVELS, type LogLevel, lineLog } from "./log.ts";
export { takePrecedence } from "./precedence.ts";
export { systemRandom } from "./random.ts";
