import { constants } from "node:fs";
import { Fault } from "../lib/index.ts";
import { type BytePath, bytePath, shownPath } from "./byte-path.ts";
import { codeOf, finalTarget, holding, openEnd, statOf } from "./tree.ts";

/** What a path of a container is. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** The kernel's st_mode. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Where a link leads in the end; empty for other files. */
  readonly linkTarget: string;
}

/** Of a path as a client writes it. Fault "not-found" without words: whoever knows the container's name has them. */
export function statPath(root: number, path: string): PathStat {
  const bytes = bytePath(path);
  return found(() => holding(openEnd(root, askedPath(bytes)), (fd) => statOfHeld(root, fd, bytes)));
}

/** The file that `fd` holds, which the path has led to. */
export function statOfHeld(root: number, fd: number, path: BytePath): PathStat {
  const { size, mode, mtimeNs } = statOf(fd);
  const isLink = (Number(mode) & constants.S_IFMT) === constants.S_IFLNK;
  return {
    name: shownPath(baseOf(path)),
    size: Number(size),
    mode: Number(mode),
    mtime: mtimeNs,
    linkTarget: isLink ? shownPath(finalTarget(root, path)) : "",
  };
}

/** As Go's filepath.Base of the path from the root: "/" for the root, "." where that is what it ends in. */
export function baseOf(path: BytePath): BytePath {
  const trimmed = path.replace(/\/+$/, "");
  const base = trimmed.slice(trimmed.lastIndexOf("/") + 1);
  return base === "" ? "/" : base;
}

/** An absolute path whose end says whether a link there is followed: "x/." as "x/". */
export function askedPath(path: BytePath): BytePath {
  return `/${path}`.replace(/\/\.$/, "/");
}

export class NotThere extends Fault {
  constructor() {
    super("not-found", "cannot find the path: it is not there");
  }
}

/** What work with a client's path says of one that leads nowhere. */
export function found<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") throw new NotThere();
    if (code === "ELOOP") throw new Fault("invalid", "cannot find the path: too many links");
    throw error;
  }
}
