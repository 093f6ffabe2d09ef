import { readFileSync } from "node:fs";

/** Of the namespace that the calling thread is in; the words of proc_net_tcp(5). */
const TABLES = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
/** States of connections that their process has closed, and whose last words or end the other side has not taken (linux/tcp_states.h). */
const CLOSED_UNHEARD: ReadonlySet<string> = new Set(["04", "09", "0B"]);
const STATE_FIELD = 3;

/** Counts of this namespace's sockets: to read them costs nothing, while the tables are a walk over the whole machine's. */
const COUNTS = ["/proc/thread-self/net/sockstat", "/proc/thread-self/net/sockstat6"];
const NO_TCP_REGEXP = /^TCP6?: inuse 0\b/m;

/** How many connections of this namespace have something left to deliver though nobody here holds them any more. */
export function countUndelivered(): number {
  if (COUNTS.every(hasNoTcp)) return 0;
  return TABLES.flatMap(readTable).filter(isUndelivered).length;
}

/** A kernel without IPv6 has no counts of it, and no such connections. */
function hasNoTcp(path: string): boolean {
  try {
    return NO_TCP_REGEXP.test(readFileSync(path, "utf8"));
  } catch {
    return path !== COUNTS[0];
  }
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
