import { readFileSync } from "node:fs";

/** Looks for more after each round of kills: what is being killed may have had a child just then. */
const ROUNDS = 5;

/**
 * Kills whatever is left of a session: runc makes each program that it runs in a container the leader of one, so these are the
 * program and all it started, whoever their parent is by now. `list` gives the pids to look among.
 */
export async function killSession(session: number, list: () => Promise<readonly number[]>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const members = (await list()).filter((pid) => sessionOf(pid) === session);
    if (members.length === 0) return;
    for (const pid of members) kill(pid);
  }
}

/** False for one that has ended, whether anybody has asked for its exit code or not. */
export function isAlive(pid: number): boolean {
  return sessionOf(pid) !== undefined;
}

/** True when both live, and the same process is the parent of both. */
export function areSiblings(a: number, b: number): boolean {
  const parent = statOf(a)?.parent;
  return a !== b && parent !== undefined && parent === statOf(b)?.parent;
}

function sessionOf(pid: number): number | undefined {
  return statOf(pid)?.session;
}

/** proc(5): the fields after the second, which, in parentheses, may have anything in it. Undefined for the dead. */
function statOf(pid: number): { readonly parent: number; readonly session: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : { parent: Number(parent), session: Number(session) };
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
