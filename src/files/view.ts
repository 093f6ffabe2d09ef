import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../lib/index.ts";
import { bytePath, heldPath, localPath, nameIn, splitPath } from "./byte-path.ts";
import {
  AT_FDCWD,
  attachMount,
  cloneMount,
  enterMounts,
  leaveSharedFs,
  MS_BIND,
  MS_RDONLY,
  MS_REMOUNT,
  mount,
  O_PATH,
  ownMounts,
} from "./libc.ts";
import type { RootPlace, RunningRoot, SnapshotMount, StoppedRoot } from "./root-place.ts";
import { codeOf, holding, madeFolder, openPath, unlessMissing } from "./tree.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** The process that was to be looked for has ended. */
export class Gone extends Error {}

/** Holds the root of a container, with all that is mounted in it or, `bare`, its own file system alone. */
export function openRoot(place: RootPlace, { bare = false }: { readonly bare?: boolean } = {}): number {
  if (place.kind === "running") return bare ? bareRoot(place) : runningRoot(place);
  return stoppedRoot(bare ? { ...place, binds: [] } : place);
}

function runningRoot(place: RunningRoot): number {
  return holding(openProcess(place), (process) =>
    unlessEnded(() => openSync(`${heldPath(process)}/root`, O_PATH | O_DIRECTORY)),
  );
}

/** From inside its mount namespace alone can a mount of it be copied; back at once, before any other path is looked up. */
function bareRoot(place: RunningRoot): number {
  const home = openSync("/proc/thread-self/ns/mnt", O_RDONLY);
  const namespace = holding(openProcess(place), (process) =>
    unlessEnded(() => openSync(`${heldPath(process)}/ns/mnt`, O_RDONLY)),
  );
  leaveSharedFs();
  enterMounts(namespace);
  try {
    return cloneMount(AT_FDCWD, "/", { alone: true });
  } finally {
    try {
      enterMounts(home);
    } catch {
      process.abort();
    }
    closeSync(namespace);
    closeSync(home);
  }
}

/** Holds a process by its number, which another may have by now: its cgroup says whose it is. */
function openProcess({ pid, cgroup }: RunningRoot): number {
  const held = unlessEnded(() => openSync(`/proc/${pid}`, O_PATH | O_DIRECTORY));
  try {
    if (!unlessEnded(() => readFileSync(`${heldPath(held)}/cgroup`, "utf8")).includes(cgroup))
      throw new Gone();
    return held;
  } catch (error) {
    closeSync(held);
    throw error;
  }
}

function unlessEnded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ESRCH") throw new Gone();
    throw error;
  }
}

function stoppedRoot({ snapshot, binds, readOnly, at }: StoppedRoot): number {
  ownMounts();
  mountSnapshot(snapshot, at);
  const root = openSync(at, O_PATH | O_DIRECTORY);
  for (const bind of binds) addBind(root, bind);
  if (readOnly) makeReadOnly(root);
  return root;
}

/** mount(2) takes a page of options, which absolute paths of many layers overrun: they are given from where they all lie. */
function mountSnapshot(snapshot: readonly SnapshotMount[], at: string): void {
  const [only] = snapshot;
  if (only === undefined || snapshot.length > 1) throw unknownSnapshot();
  if (only.type === "bind") {
    mount(only.source, at, null, MS_BIND);
    return;
  }
  const { upper, lowers } = layersOf(snapshot);
  let folder = dirname(upper);
  while (!lowers.every((lower) => lower.startsWith(`${folder}/`))) folder = dirname(folder);
  process.chdir(folder);
  mount("shoal", at, only.type, 0, only.options.join(",").replaceAll(`${folder}/`, ""));
}

/** A container's own layer, and those below, topmost first. */
export function layersOf(snapshot: readonly SnapshotMount[]): { upper: string; lowers: string[] } {
  const option = (key: string) =>
    snapshot[0]?.options.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1);
  const [upper, lower] = [option("upperdir"), option("lowerdir")];
  if (snapshot[0]?.type !== "overlay" || upper === undefined || lower === undefined) throw unknownSnapshot();
  return { upper, lowers: lower.split(":") };
}

function unknownSnapshot(): Fault {
  return new Fault("internal", "cannot read a snapshot: it is not one overlay of layers");
}

/** What is not there any more on this machine is not mounted. Where it belongs is found as from inside the container. */
function addBind(root: number, { source, target, readOnly }: StoppedRoot["binds"][number]): void {
  const tree = unlessMissing(() => cloneMount(AT_FDCWD, source));
  if (tree === undefined) return;
  holding(tree, () => {
    const isFolder = statSync(heldPath(tree)).isDirectory();
    holding(mountPoint(root, target, isFolder), (point) => attachMount(tree, point));
    if (readOnly) makeReadOnly(tree);
  });
}

/** Made where it is not, as the container's start would. */
function mountPoint(root: number, target: string, isFolder: boolean): number {
  const path = localPath(bytePath(target)) ?? "";
  const known = unlessMissing(() => openPath(root, path));
  if (known !== undefined) return known;
  if (isFolder) return madeFolder(root, path);
  const [above, name] = splitPath(path);
  return holding(madeFolder(root, above), (folder) => {
    const made = openSync(nameIn(folder, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    closeSync(made);
    return openSync(nameIn(folder, name), O_PATH | O_NOFOLLOW);
  });
}

function makeReadOnly(mounted: number): void {
  mount("none", heldPath(mounted), null, MS_REMOUNT | MS_BIND | MS_RDONLY);
}
