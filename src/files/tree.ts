import {
  type BigIntStats,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
} from "node:fs";
import { type BytePath, heldPath, nameIn, splitPath } from "./byte-path.ts";
import { O_PATH, openInRoot, release } from "./libc.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const MOST_LINKS = 40;

/** Holds a file for the time of the work. */
export function holding<T>(fd: number, work: (fd: number) => T): T {
  try {
    return work(fd);
  } finally {
    release(fd);
  }
}

/** Holds what a path leads to under a root, as from inside it. Errors of Node's kind: ENOENT, ENOTDIR, ELOOP. */
export function openPath(root: number, path: BytePath, flags = 0): number {
  return openInRoot(root, path, flags | O_PATH);
}

/** The same, but a link at the path's end is not followed; one with a "/" or "." after it is. */
export function openEnd(root: number, path: BytePath): number {
  return openPath(root, path, path.endsWith("/") ? 0 : O_NOFOLLOW);
}

export function openFolder(root: number, path: BytePath): number {
  return openPath(root, path, O_DIRECTORY);
}

/** Holds a folder at a path without links of its own making: what is missing of it is made. */
export function madeFolder(root: number, path: BytePath): number {
  const known = unlessMissing(() => openFolder(root, path));
  if (known !== undefined) return known;
  const [above, name] = splitPath(path);
  if (name === "") throw Object.assign(new Error("ENOENT: open"), { code: "ENOENT" });
  holding(madeFolder(root, above), (folder) => {
    try {
      mkdirSync(nameIn(folder, name), 0o755);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  });
  return openFolder(root, path);
}

/** Holds what has this name in a folder, be it a link; undefined when there is nothing. */
export function openName(folder: number, name: BytePath): number | undefined {
  return unlessMissing(() => openSync(nameIn(folder, name), O_PATH | O_NOFOLLOW));
}

export function statOf(fd: number): BigIntStats {
  return fstatSync(fd, { bigint: true });
}

/** Names in a held folder, in the order of their bytes. */
export function namesIn(folder: number): BytePath[] {
  return readdirSync(heldPath(folder), "latin1").sort((a, b) => (a < b ? -1 : 1));
}

/** Where the link of this name leads; undefined when it is none any more. */
export function linkIn(folder: number, name: BytePath): BytePath | undefined {
  try {
    return readlinkSync(nameIn(folder, name), "latin1");
  } catch (error) {
    if (codeOf(error) === "EINVAL") return undefined;
    return missing(error);
  }
}

/**
 * Where a link leads in the end, as a path in the root, or as far as there is something (moby symlink.FollowSymlinkInScope). For people and
 * for the client's next request: whoever opens it has it resolved by the kernel.
 */
export function finalTarget(root: number, path: BytePath): BytePath {
  let todo = path.split("/");
  let at: string[] = [];
  for (let links = 0; todo.length > 0; ) {
    const [part = "", ...rest] = todo;
    todo = rest;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at.pop();
      continue;
    }
    const link = linkAt(root, [...at, part].join("/"));
    if (link === undefined || ++links > MOST_LINKS) {
      at.push(part);
      continue;
    }
    if (link.startsWith("/")) at = [];
    todo = [...link.split("/"), ...todo];
  }
  return `/${at.join("/")}`;
}

function linkAt(root: number, path: BytePath): BytePath | undefined {
  const [folder, name] = splitPath(path);
  return unlessMissing(() => holding(openFolder(root, folder), (fd) => linkIn(fd, name)));
}

/** Undefined for what is not there (any more). */
export function unlessMissing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    return missing(error);
  }
}

function missing(error: unknown): undefined {
  if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
  throw error;
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
