import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of the files below a folder as they say it of themselves, each file once whatever names it has; what goes meanwhile counts nothing. */
export async function folderBytes(folder: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  // Folders still to look into: no recursion, since their depth is the user's choice.
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for (const entry of await readdir(at, { withFileTypes: true }).catch(unlessGone([]))) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) folders.push(path);
      const stat = await lstat(path).catch(unlessGone(undefined));
      if (stat === undefined || !isFirst(seen, stat)) continue;
      bytes += stat.size;
    }
  }
  return bytes;
}

function isFirst(seen: Set<string>, { dev, ino, nlink }: Awaited<ReturnType<typeof lstat>>): boolean {
  if (nlink === 1) return true;
  const key = `${dev} ${ino}`;
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function unlessGone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return instead;
    throw error;
  };
}
