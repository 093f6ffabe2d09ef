import { constants, openSync } from "node:fs";
import { type BytePath, heldPath, shownPath } from "./byte-path.ts";
import { attributeOf, O_PATH } from "./libc.ts";
import type { SnapshotMount } from "./root-place.ts";
import { holding, namesIn, openName, openPath, statOf, unlessMissing } from "./tree.ts";
import { layersOf } from "./view.ts";

/** What a container did to a file of its image. */
export interface FileChange {
  readonly kind: "modified" | "added" | "deleted";
  readonly path: string;
}

const { O_DIRECTORY, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFCHR } = constants;

/** What runtimes put into a container for its mounts; Docker has these in a layer of its own below (moby daemon/initlayer). */
const PUT_BY_US: ReadonlySet<BytePath> = new Set([
  ...[
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/proc",
    "/sys",
    "/sys/fs",
    "/sys/fs/cgroup",
  ],
  ...["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv"],
  ...["/sbin/docker-init", "/etc"],
]);

interface Comparing {
  readonly lowers: readonly number[];
  readonly changes: FileChange[];
  /** Folders that are in the list, or that the walk has seen changed. */
  readonly told: Set<BytePath>;
}

/**
 * What lies in a container's own layer, compared with those below (moby go-archive, OverlayChanges): in the order of the walk, a folder
 * before what is in it. Layers are walked by descriptor, since the container writes in its own meanwhile.
 */
export function changesOf(snapshot: readonly SnapshotMount[]): FileChange[] {
  const { upper, lowers } = layersOf(snapshot);
  const open = (path: string) => openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  const comparing: Comparing = { lowers: lowers.map(open), changes: [], told: new Set() };
  walk(comparing, open(upper), "");
  return comparing.changes;
}

function walk(comparing: Comparing, folder: number, under: BytePath): void {
  for (const name of namesIn(folder)) {
    const fd = openName(folder, name);
    if (fd === undefined) continue;
    holding(fd, () => {
      const path = `${under}/${name}`;
      compare(comparing, fd, path, under);
      if (isFolder(fd)) walk(comparing, fd, path);
    });
  }
}

function compare({ lowers, changes, told }: Comparing, fd: number, path: BytePath, under: BytePath): void {
  const kind = kindOf(lowers, fd, path);
  if (kind === undefined) return;
  if (isFolder(fd)) told.add(path);
  if (kind !== "modified" && under !== "" && !told.has(under)) {
    told.add(under);
    changes.push({ kind: "modified", path: shownPath(under) });
  }
  changes.push({ kind, path: shownPath(path) });
}

/** Undefined: nothing to tell. */
function kindOf(lowers: readonly number[], fd: number, path: BytePath): FileChange["kind"] | undefined {
  const { mode, rdev } = statOf(fd);
  if (isKind(mode, S_IFCHR) && rdev === 0n) return "deleted";
  const isOpaque = isFolder(fd) && attributeOf(heldPath(fd), "trusted.overlay.opaque") === "y";
  if (isOpaque) return below(lowers, path) === undefined ? addedOf(fd, path) : "deleted";
  const was = below(lowers, path);
  if (was === undefined) return addedOf(fd, path);
  return isSameFolder(fd, was, path) ? undefined : "modified";
}

function addedOf(fd: number, path: BytePath): "added" | undefined {
  const isEmpty = isFolder(fd) || statOf(fd).size === 0n;
  return PUT_BY_US.has(path) && isEmpty ? undefined : "added";
}

interface Below {
  readonly mode: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/** What the topmost layer that has the path has there; undefined when it is deleted there, or in none. */
function below(lowers: readonly number[], path: BytePath): Below | undefined {
  for (const lower of lowers) {
    const stat = unlessMissing(() => holding(openPath(lower, path, O_NOFOLLOW), statOf));
    if (stat !== undefined) return isKind(stat.mode, S_IFCHR) && stat.rdev === 0n ? undefined : stat;
  }
  return undefined;
}

/** It is here for what is in it alone. In a folder with files of ours the time says nothing. */
function isSameFolder(fd: number, was: Below, path: BytePath): boolean {
  if (!isFolder(fd) || !isKind(was.mode, S_IFDIR)) return false;
  const is = statOf(fd);
  if (PUT_BY_US.has(path)) return is.mode === was.mode;
  return is.mode === was.mode && is.size === was.size && isSameTime(is.mtimeNs, was.mtimeNs);
}

const SECOND = 1_000_000_000n;

/** Archives of images have whole seconds. */
function isSameTime(a: bigint, b: bigint): boolean {
  return a === b || (a / SECOND === b / SECOND && (a % SECOND === 0n || b % SECOND === 0n));
}

function isFolder(fd: number): boolean {
  return isKind(statOf(fd).mode, S_IFDIR);
}

function isKind(mode: bigint, kind: number): boolean {
  return (Number(mode) & S_IFMT) === kind;
}
