import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { Fault } from "../lib/index.ts";
import { bindMount, checked, joinNetns, newNetns, unmount } from "./libc.ts";

/** Of the thread that asks, which is the one that setns(2) moves. */
const CURRENT = "/proc/thread-self/ns/net";
/** Filesystem of namespace files (linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;

/** Where the process was when it first asked. */
let home: number | undefined;
/** Where it is now, when it is not at home. */
let here: number | undefined;

/** Lets go of the namespace that this thread began in: it is about to end. */
export function leaveHome(): void {
  if (home !== undefined) closeSync(home);
  home = undefined;
}

/** A descriptor of the namespace that the caller is in now. */
export function openCurrentNetns(): number {
  home ??= openSync(CURRENT, "r");
  return openSync(CURRENT, "r");
}

/** A descriptor of a pinned namespace. */
export function openNetns(path: string): number {
  return openSync(path, "r");
}

/**
 * Runs `work` in the namespace behind the descriptor. `work` must be synchronous: the whole thread is in there. A process
 * that could not come back would do everything else in the wrong namespace, so it ends at once.
 */
export function inside<T>(netns: number, work: () => T): T {
  home ??= openSync(CURRENT, "r");
  const before = here ?? home;
  checked(joinNetns(netns), "enter a network namespace");
  here = netns;
  try {
    return work();
  } finally {
    here = before;
    if (joinNetns(before) !== 0) process.abort();
  }
}

/** Names of the namespaces pinned in a folder; a file that nothing is mounted on (a reboot) does not count. */
export function listPinned(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => isPinned(`${folder}/${name}`));
}

/** Whether a namespace is pinned there. */
export function isPinned(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === NSFS_MAGIC;
}

/**
 * Makes a namespace that lives as long as the mount at its path, whoever is in it. Links made in it get no IPv6 address and
 * ask for none; its loopback keeps ::1.
 */
export function pinNewNetns(folder: string, name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw new Fault("invalid", `cannot pin namespace "${name}": bad name`);
  const path = `${folder}/${name}`;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  writeFileSync(path, "", { mode: 0o444 });
  const back = openCurrentNetns();
  try {
    checked(newNetns(), "make a network namespace");
    try {
      bindMount(CURRENT, path);
      prepare();
    } finally {
      if (joinNetns(back) !== 0) process.abort();
    }
  } finally {
    closeSync(back);
  }
}

/** Pins a namespace that somebody has taken the pin from: whoever is in it stays in it. */
export function pinNetnsAgain(folder: string, name: string, netns: number): void {
  const path = `${folder}/${name}`;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (isPinned(path)) unmount(path);
  if (!existsSync(path)) writeFileSync(path, "", { mode: 0o444 });
  inside(netns, () => bindMount(CURRENT, path));
}

function prepare(): void {
  try {
    writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  } catch {
    // A kernel without IPv6 has nothing to disable.
  }
}

/** Lets go of a pinned namespace; it ends when its last process has. */
export function unpinNetns(folder: string, name: string): void {
  const path = `${folder}/${name}`;
  if (isPinned(path)) unmount(path);
  unlinkSync(path);
}

/** Removes files that pin nothing. */
export function removeStalePins(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) if (!isPinned(`${folder}/${name}`)) unlinkSync(`${folder}/${name}`);
}
