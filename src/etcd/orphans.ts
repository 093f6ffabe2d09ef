import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Clock, type Log, sleep } from "../lib/index.ts";

const TERM_MS = 3_000;
const LOOK_MS = 10;

/** Ends every etcd that runs on this very data folder: a killed shoald leaves its own behind, and it holds the lock. */
export async function endOrphans(dataDir: string, clock: Clock, log: Log): Promise<void> {
  for (const pid of orphansOf(dataDir)) {
    log.warn("ending an etcd that an earlier shoald left", { pid });
    signal(pid, "SIGTERM");
  }
  const deadline = clock.now() + TERM_MS;
  for (let left = orphansOf(dataDir); left.length > 0; left = orphansOf(dataDir)) {
    if (clock.now() > deadline) for (const pid of left) signal(pid, "SIGKILL");
    await sleep(clock, LOOK_MS);
  }
}

function orphansOf(dataDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isEtcdOf(pid, dataDir));
}

/** By its command line, so that a reused process id is never mistaken (proc(5)); a zombie has none. */
function isEtcdOf(pid: number, dataDir: string): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return basename(argv[0] ?? "") === "etcd" && argv[argv.indexOf("--data-dir") + 1] === dataDir;
  } catch {
    return false; // it ended meanwhile
  }
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // it ended meanwhile
  }
}

/**
 * The process that holds the lock on etcd's database, if any: etcd itself would wait for it without a word.
 * From proc(5) "/proc/locks": `1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF`, device in hexadecimal.
 */
export function lockHolder(dataDir: string): number | undefined {
  try {
    const { dev, ino } = statSync(join(dataDir, "member", "snap", "db"));
    const major = ((dev >>> 8) & 0xfff).toString(16).padStart(2, "0");
    const minor = ((dev & 0xff) | ((dev >>> 12) & 0xfff00)).toString(16).padStart(2, "0");
    const file = `${major}:${minor}:${ino}`;
    const fields = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    const held = fields.find((words) => words[1] === "FLOCK" && words[5] === file);
    return held === undefined ? undefined : Number(held[4]);
  } catch {
    return undefined; // no database yet
  }
}
