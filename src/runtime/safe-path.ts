import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { Fault } from "../lib/index.ts";

/** open(2): a place in the tree, which need not be readable. */
const O_PATH = 0o10000000;

/**
 * What is at `subpath` of a folder, held open: whoever changes the tree meanwhile changes nothing of it. Links are followed as long as
 * they stay in the folder. Faults in Docker's words (moby internal/safepath): "not-found", "invalid" for one that leads out.
 */
export async function openBeneath(base: string, subpath: string): Promise<FileHandle> {
  const root = await realpath(base);
  const found = await realpath(join(root, subpath)).catch((error: NodeJS.ErrnoException) => {
    throw notAccessible(join(root, subpath), error);
  });
  const inside = relative(root, found);
  if (inside === ".." || inside.startsWith("../")) throw escapes(base, subpath);
  let at = await open(root, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  for (const part of inside.split("/").filter(Boolean)) {
    const parent = at;
    // Each step from what is held, never from the top: a part that has become a link since is not followed.
    at = await open(`${pathOf(parent)}/${part}`, O_PATH | constants.O_NOFOLLOW)
      .catch((error: NodeJS.ErrnoException) => {
        throw notAccessible(join(root, inside), error);
      })
      .finally(() => parent.close());
    if (!(await at.stat()).isSymbolicLink()) continue;
    await at.close();
    throw new Fault(
      "not-found",
      `cannot access path ${join(root, inside)}: too many levels of symbolic links`,
    );
  }
  return at;
}

/** A path that leads to just this, for this process and for those that it asks, as long as it is open. */
export function pathOf({ fd }: FileHandle): string {
  return `/proc/${process.pid}/fd/${fd}`;
}

function notAccessible(path: string, error: NodeJS.ErrnoException): unknown {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    ELOOP: "too many levels of symbolic links",
  };
  const reason = reasons[error.code ?? ""];
  return reason === undefined ? error : new Fault("not-found", `cannot access path ${path}: ${reason}`);
}

function escapes(base: string, subpath: string): Fault {
  return new Fault(
    "invalid",
    `path concatenation escapes the base directory, base: ${base}, subpath: ${subpath}`,
  );
}
