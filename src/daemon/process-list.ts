import { Fault } from "../lib/index.ts";
import type { ProcessList } from "../model/index.ts";
import { exec } from "../sys/index.ts";

const PID = "PID";

/**
 * What ps(1) of this machine says of these processes, as `docker top` shows it. `args` is the user's words for ps: split at blanks, read
 * by no shell. Faults "invalid" in Docker's words (moby daemon/top_unix.go), or in ps's own.
 */
export async function listProcesses(
  pids: readonly number[],
  args: string,
  signal: AbortSignal,
): Promise<ProcessList> {
  checkArgs(args);
  const words = args.split(/\s+/).filter(Boolean);
  const { code, stdout, stderr } = await exec(["ps", ...words], { signal });
  if (code !== 0) throw new Fault("invalid", `ps: ${stderr.trim() || `it ended with ${code}`}`);
  return processesIn(stdout, pids);
}

/** Another column with the name PID would be taken for the process's own, and show others' processes. */
function checkArgs(args: string): void {
  for (const [, field = "", title = ""] of args.matchAll(/\s+([^\s=]*)=\s*(PID\S*)/g)) {
    if (field !== "pid") throw new Fault("invalid", `specifying "${field}=${title}" is not allowed`);
  }
}

/** The rows of these processes alone; the last column, which has blanks in it, is one. */
export function processesIn(text: string, pids: readonly number[]): ProcessList {
  const [titles = [], ...rows] = text.split("\n").map((line) => line.split(/\s+/).filter(Boolean));
  const at = titles.indexOf(PID);
  if (at < 0) throw new Fault("invalid", "Couldn't find PID field in ps output");
  const wanted = new Set(pids.map(String));
  const last = titles.length - 1;
  const processes = rows
    .filter((row) => wanted.has(row[at] ?? ""))
    .map((row) => [...row.slice(0, last), row.slice(last).join(" ")]);
  return { titles, processes };
}
