import { readFileSync } from "node:fs";

/** Of the namespace that the calling thread is in; the words of proc_net_tcp(5). */
const TABLES = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
/** States of connections that their process has closed, and whose last words or end the other side has not taken (linux/tcp_states.h). */
const CLOSED_UNHEARD: ReadonlySet<string> = new Set(["04", "09", "0B"]);
const STATE_FIELD = 3;

/** How many connections of this namespace have something left to deliver though nobody here holds them any more. */
export function countUndelivered(): number {
  return TABLES.flatMap(readTable).filter(isUndelivered).length;
}

/** A kernel without IPv6 has no table of it. */
function readTable(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n").slice(1);
  } catch {
    return [];
  }
}

/** A line: number, local and remote address, state, queues, … */
export function isUndelivered(line: string): boolean {
  return CLOSED_UNHEARD.has(line.trim().split(/\s+/)[STATE_FIELD] ?? "");
}
