import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Clock, Fault, sleep } from "../lib/index.ts";

/**
 * Starts a program that outlives us, in a network namespace of its own choice, its output appended to a file.
 * nsenter(1) is used and not `ip netns exec`: the latter gives it mounts of its own, and containerd would not see the
 * namespaces that shoald pins.
 */
export function startDetached(options: {
  netns: string;
  argv: readonly string[];
  log: string;
  pidFile: string;
}): number {
  const out = openSync(options.log, "a", 0o600);
  const child = spawn("nsenter", [`--net=${options.netns}`, "--", ...options.argv], {
    detached: true,
    stdio: ["ignore", out, out],
    cwd: "/",
  });
  closeSync(out);
  child.on("error", () => undefined); // told below
  if (child.pid === undefined)
    throw new Fault("internal", `cannot start ${options.argv[0]}: nsenter was not found`);
  child.unref();
  writeFileSync(options.pidFile, `${child.pid}\n`);
  return child.pid;
}

/** The process that a pid file names, if it lives still and is the one meant (its command line holds `mark`). */
export function livePid(pidFile: string, mark: string): number | undefined {
  if (!existsSync(pidFile)) return undefined;
  const pid = Number(readFileSync(pidFile, "utf8"));
  return commandLine(pid)?.includes(mark) ? pid : undefined;
}

/**
 * True once a process has let go of its sockets and files: it is gone, or its last thread waits to be reaped. Its first
 * thread may be a zombie while others still hold them (proc(5)).
 */
export function hasEnded(pid: number): boolean {
  try {
    const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    return isZombie && readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
}

function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return undefined; // it ended meanwhile
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
}

function allProcesses(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        // pid (comm) state ppid …: comm may hold spaces and brackets (proc(5)).
        const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return [{ pid: Number(name), parent: Number(rest[1]) }];
      } catch {
        return [];
      }
    });
}

/** Every process whose command line holds one of the marks, and all their descendants. */
export function processTree(marks: readonly string[]): number[] {
  const all = allProcesses().filter(({ pid }) => pid !== process.pid);
  const found = new Set(
    all.filter(({ pid }) => marks.some((m) => commandLine(pid)?.includes(m))).map((p) => p.pid),
  );
  for (let grew = true; grew; ) {
    grew = false;
    for (const { pid, parent } of all) {
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid);
        grew = true;
      }
    }
  }
  found.delete(process.pid);
  return [...found];
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it ended meanwhile
    }
  }
}

/** Waits until `done` holds, looking every 20 ms. Fault "timeout" with the sentence after `ms`. */
export async function waitUntil(
  clock: Clock,
  ms: number,
  sentence: string,
  done: () => boolean,
): Promise<void> {
  const deadline = clock.now() + ms;
  while (!done()) {
    if (clock.now() > deadline) throw new Fault("timeout", sentence);
    await sleep(clock, 20);
  }
}

export function forget(path: string): void {
  rmSync(path, { force: true, recursive: true });
}

/** What a program's log ends with; of a Node program that broke, what broke it and not the end of its stack. */
export function endOf(log: string): string {
  const lines = log.trim().split("\n");
  const broke = lines.at(-1)?.startsWith("Node.js v")
    ? lines.findLast((line) => /^\w*Error\b/.test(line))
    : undefined;
  return broke ?? lines.slice(-3).join("\n");
}
