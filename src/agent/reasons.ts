import { Fault, messageOf } from "../lib/index.ts";
import type { ContainerState, Health } from "../runtime/index.ts";

/** Why a task ended, in words a person can act on: short enough for a column of `docker service ps`, always one line. */

const MAX_LENGTH = 400;
/** Terminal sequences (colours, titles), then every other control character and line end. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be found
const SEQUENCES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])/g;
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** One line, without what a terminal would obey. */
export function oneLine(text: string): string {
  return text.replace(SEQUENCES, "").replace(CONTROLS, " ").trim();
}

/** A reason as `status.error` has it. */
export function reasonOf(...clauses: readonly string[]): string {
  const line = clauses.map(oneLine).filter(Boolean).join(": ");
  return line.length <= MAX_LENGTH ? line : `${sound(line.slice(0, MAX_LENGTH - 1))}…`;
}

/** "task: non-zero exit (1): <the last lines of its log>". */
export function exitReason(
  exitCode: number,
  ended: ContainerState | undefined,
  log: readonly string[],
): string {
  const clause = `task: non-zero exit (${exitCode})`;
  const memory = ended?.oomKilled ? `out of memory${limitOf(ended)}` : "";
  const room = MAX_LENGTH - [clause, memory, ""].join(": ").length;
  return reasonOf(clause, memory, lastOf(log, room));
}

/** "task: unhealthy container: <what the last probe said>". */
export function unhealthyReason(health: Health | undefined): string {
  const probe = health?.log.at(-1);
  if (probe === undefined) return "task: unhealthy container";
  const said = oneLine(probe.output);
  return reasonOf(
    "task: unhealthy container",
    said === "" ? `health check exited with ${probe.exitCode}` : said,
  );
}

/** A failed pull that does not say of what, says it. */
export function pullFault(image: string, error: unknown): unknown {
  const [reference = image] = image.split("@");
  const name = reference.replace(/:[^/:]*$/, "");
  if (!(error instanceof Fault) || error.message.includes(name)) return error;
  return new Fault(error.kind, `cannot pull ${reference}: ${messageOf(error)}`, { cause: error });
}

function limitOf({ config }: ContainerState): string {
  const { memoryBytes } = config.resources;
  return memoryBytes === undefined ? "" : ` (limit ${formatBytes(memoryBytes)})`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** 67108864 as "64 MiB", with one decimal when it does not come out even. */
export function formatBytes(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit < UNITS.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${Math.round(size * 10) / 10} ${UNITS[unit]}`;
}

/** As many of the last lines as there is room for; the very last at least in part. */
function lastOf(lines: readonly string[], room: number): string {
  const shown: string[] = [];
  let left = room;
  for (const line of lines.map(oneLine).filter(Boolean).toReversed()) {
    if (shown.length > 0 && line.length + SEPARATOR.length > left) break;
    shown.unshift(line);
    left -= line.length + SEPARATOR.length;
  }
  return shown.join(SEPARATOR);
}

const SEPARATOR = " | ";

/** Without the half of a character that a cut may leave. */
function sound(text: string): string {
  return text.replace(/[\uD800-\uDBFF]$/, "");
}
