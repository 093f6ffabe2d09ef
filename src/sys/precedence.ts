import { readFileSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * Gives this process, and those that it starts, precedence when CPUs are short: a nice value. If it leads a session of its
 * own also the group that the kernel makes of a session, without which the first counts only among the session's
 * processes (sched(7), "The autogroup feature"). False when that is not allowed (CAP_SYS_NICE). A service manager that puts
 * the process into a cgroup of its own decides by that group's weight, whatever is said here.
 */
export function takePrecedence(nice: number): boolean {
  try {
    setPriority(nice);
    if (leadsSession()) writeFileSync("/proc/self/autogroup", String(nice));
    return true;
  } catch {
    return false;
  }
}

/** proc_pid_stat(5): the fields after the name in parentheses are state, ppid, pgrp, session. */
function leadsSession(): boolean {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(session) === process.pid;
}
