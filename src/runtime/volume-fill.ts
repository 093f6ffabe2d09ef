import { chmod, chown, lstat, mkdir, readdir, rename, rm, rmdir, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KeyedLocks } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";

/** Beside `_data`: a copy under way; a whole copy that is being moved in. */
const FILLING = ".filling";
const FILLED = ".filled";

const locks: KeyedLocks = new KeyedLocks();

/**
 * Gives an empty volume what a folder of an image holds: files with owners, modes, times, links and extended attributes, and
 * the folder's own owner, mode and times. A volume that holds anything is left as it is. `path` is the volume's `_data`.
 *
 * The copy is made beside the volume and moved in entry by entry when it is whole, so that a crash leaves either nothing or something
 * that `finishFill` completes, and a container that has the empty volume mounted already sees the files too.
 */
export function fillVolume(path: string, folder: string): Promise<void> {
  return locks.with(path, async () => {
    await finish(path);
    if (!(await isFolder(folder)) || (await readdir(path)).length > 0) return;
    const filling = beside(path, FILLING);
    await mkdir(filling);
    await execOk(["cp", "--archive", "--no-target-directory", "--", folder, filling]);
    await rename(filling, beside(path, FILLED));
    await finish(path);
  });
}

/** The same for what is mounted in a volume's place: another file system, into which nothing can be moved. Not safe from crashes. */
export function fillMounted(path: string, folder: string): Promise<void> {
  return locks.with(path, async () => {
    if (!(await isFolder(folder)) || (await readdir(folder)).length === 0 || (await readdir(path)).length > 0)
      return;
    await execOk(["cp", "--archive", "--no-target-directory", "--", folder, path]);
  });
}

/** Completes or forgets a fill that a crash cut off. Before every use of a volume. */
export function finishFill(path: string): Promise<void> {
  return locks.with(path, () => finish(path));
}

async function finish(path: string): Promise<void> {
  await rm(beside(path, FILLING), { recursive: true, force: true });
  const filled = beside(path, FILLED);
  if (!(await isFolder(filled))) return;
  for (const name of await readdir(filled)) await moveIn(join(filled, name), join(path, name));
  await likeFolder(path, filled);
  await rmdir(filled);
}

/** What a container has put there meanwhile stays. */
async function moveIn(from: string, to: string): Promise<void> {
  const isTaken = await lstat(to).then(
    () => true,
    () => false,
  );
  if (isTaken) await rm(from, { recursive: true, force: true });
  else await rename(from, to);
}

async function likeFolder(path: string, model: string): Promise<void> {
  const { uid, gid, mode, atime, mtime } = await lstat(model);
  await chown(path, uid, gid);
  await chmod(path, mode & 0o7777);
  await utimes(path, atime, mtime);
}

function beside(path: string, name: string): string {
  return join(dirname(path), name);
}

async function isFolder(path: string): Promise<boolean> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  return found?.isDirectory() === true;
}
