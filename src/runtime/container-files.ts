import { chmod, chown, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault } from "../lib/index.ts";
import { exec, execOk } from "../sys/index.ts";
import type { ContainerConfig, FileContents, MemoryFile } from "./container.ts";
import { fileAt } from "./container-folder.ts";
import { cleanPath } from "./spec-mounts.ts";

/*
 * A container's files lie on a tmpfs of its own, which the host mounts where nobody but root gets, and runc binds each of them
 * from there: nothing is on a disk, and no path of the container's is ever resolved on the host.
 */

/** Faults "invalid" unless each file has a place of its own and contents. */
export function checkFiles(
  { files = [], mounts }: Pick<ContainerConfig, "files" | "mounts">,
  contents: FileContents,
): void {
  const taken = new Set(mounts.map(({ target }) => cleanPath(target)));
  for (const { target } of files) {
    const clean = cleanPath(target);
    if (clean === "/") throw new Fault("invalid", "invalid mount config: destination can't be '/'");
    if (taken.has(clean)) throw new Fault("invalid", `Duplicate mount point: ${clean}`);
    if (!contents.has(target)) throw new Fault("invalid", `cannot make file ${target}: it has no contents`);
    taken.add(clean);
  }
}

const PERMISSIONS = 0o777;
/** runc binds each file read-only. */
const OPTIONS = "nosuid,nodev,mode=0700";

/** Puts the files on a tmpfs at `dir`. Without files there is no tmpfs either. */
export async function storeFiles(
  dir: string,
  files: readonly MemoryFile[],
  contents: FileContents,
): Promise<void> {
  if (files.length === 0) return;
  await dropFiles(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await mountTmpfs(dir);
  for (const [i, { target, uid, gid, mode }] of files.entries()) {
    const path = fileAt(dir, i);
    await writeFile(path, contents.get(target) ?? new Uint8Array(), { flag: "wx", mode: 0o600 });
    await chown(path, uid, gid);
    await chmod(path, mode & PERMISSIONS);
  }
}

/** Takes the tmpfs away: what is open in a container lives as long as that. No error when there is none. */
export async function dropFiles(dir: string): Promise<void> {
  if (await isMountPoint(dir)) await execOk(["umount", "--lazy", dir]);
}

/** Kernels before 6.4 know no tmpfs that never goes to swap. */
async function mountTmpfs(dir: string): Promise<void> {
  const mount = (options: string) => ["mount", "-t", "tmpfs", "-o", options, "shoal-files", dir] as const;
  const { code } = await exec([...mount(`noswap,${OPTIONS}`)]);
  if (code !== 0) await execOk([...mount(OPTIONS)]);
}

async function isMountPoint(dir: string): Promise<boolean> {
  try {
    const [own, parent] = await Promise.all([stat(dir), stat(dirname(dir))]);
    return own.dev !== parent.dev;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
